"""predict_region: the same numbers however the work is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.blocks import Blending, PatchGrid
from organelle.geometry import Box, Voxels
from organelle.predict import ReadBoxes, predict_region, predict_slabs, to_uint8


@dataclass(frozen=True)
class Spec:
    patch_shape: Voxels = (4, 6, 5)
    stride: Voxels = (3, 4, 5)
    classes: tuple[str, ...] = ("mito", "er")


GRID = PatchGrid(Spec().patch_shape, Spec().stride)


def grey(box: Box) -> np.ndarray:
    """EM whose value depends on the place alone."""
    z, y, x = np.indices(box.shape) + np.reshape(box.start, (3, 1, 1, 1))
    return np.sin(z * 0.7 + y * 1.3 + x * 2.1).astype(np.float32)


read_em = ReadBoxes(grey)


def forward(seen: np.ndarray) -> np.ndarray:
    """A network that looks at its whole patch, as norms do, and at where in the patch a voxel is."""
    (em,) = seen
    where = np.arange(em.size, dtype=np.float32).reshape(em.shape) / em.size
    answer = em * em.std() + where
    return np.stack([1 / (1 + np.exp(-answer)), 1 / (1 + np.exp(answer))])


boxes = st.builds(Box, st.tuples(*[st.integers(-8, 8)] * 3), st.tuples(*[st.integers(1, 10)] * 3))


@settings(max_examples=30, deadline=None)
@given(region=boxes, block=st.tuples(*[st.integers(1, 7)] * 3), part=boxes)
def test_no_bit_depends_on_blocks_or_region(region, block, part):
    whole = predict_region(forward, read_em, region, Spec())
    np.testing.assert_array_equal(predict_region(forward, read_em, region, Spec(), block), whole)
    common = part.intersect(region)
    if not common.is_empty:
        alone = predict_region(forward, read_em, part, Spec(), block)
        np.testing.assert_array_equal(
            alone[:, *common.slices(part.start)], whole[:, *common.slices(region.start)]
        )


@settings(max_examples=30, deadline=None)
@given(region=boxes, block=st.tuples(*[st.integers(1, 7)] * 3))
def test_slabs_hold_every_voxel_once_and_end_on_whole_blocks(region, block):
    counts = np.zeros(region.shape, int)
    for box, means in predict_slabs(forward, read_em, region, GRID, block, 2):
        assert means.shape == (2, *box.shape)
        counts[box.slices(region.start)] += 1
        stop = box.stop[0] - region.start[0]
        assert stop % block[0] == 0 or stop == region.shape[0]
    assert (counts == 1).all()


def test_every_patch_is_seen_once_when_there_is_one_column():
    seen = []
    region = Box((0, 0, 0), (9, 9, 9))

    def counting(em):
        seen.append(em.copy())
        return forward(em)

    predict_region(counting, read_em, region, Spec(), (2, 99, 99))
    assert len(seen) == 4 * 4 * 2
    assert {patch.shape for patch in seen} == {(1, 4, 6, 5)}


def test_a_plane_wise_network_sees_single_planes():
    spec = Spec(patch_shape=(1, 6, 6), stride=(1, 4, 4))
    region = Box((2, 0, 0), (3, 8, 7))

    def mean_of_plane(em):
        assert em.shape == (1, 1, 6, 6)
        return np.broadcast_to(em.mean(), (2, 1, 6, 6))

    whole = predict_region(mean_of_plane, read_em, region, spec)
    for z in range(3):
        plane = predict_region(mean_of_plane, read_em, Box((2 + z, 0, 0), (1, 8, 7)), spec)
        np.testing.assert_array_equal(whole[:, z : z + 1], plane)


@pytest.mark.parametrize("blending", list(Blending))
def test_a_voxelwise_network_is_not_changed_by_blending(blending):
    region = Box((-2, 3, 1), (7, 9, 8))
    result = predict_region(
        lambda seen: np.stack([seen[0], -seen[0]]), read_em, region, Spec(), blending=blending
    )
    np.testing.assert_allclose(result[0], grey(region), atol=1e-6)


def test_an_empty_region_gives_an_empty_array():
    assert predict_region(forward, read_em, Box((0, 0, 0), (0, 4, 4)), Spec()).shape == (2, 0, 4, 4)


def test_probabilities_are_rounded_to_the_nearest_byte():
    values = np.array([0, 0.0019, 0.002, 0.5, 0.999, 1.0000001], np.float32)
    assert to_uint8(values).tolist() == [0, 0, 1, 128, 255, 255]
