"""Processed volumes of another voxel size land where geometry says, to the voxel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_challenge import CHALLENGE, FINE, drawn_ids, write_processed

from organelle.catalog import processed_path
from organelle.classes import Kind
from organelle.geometry import Extent, Grid
from organelle.pack import PackSettings, pack
from organelle.pack.source import block_shape, blocks
from organelle.submission import open_submission
from organelle.submission.alignment import rescale_labels
from organelle.volumes import Volume, open_multiscale, write_multiscale


def packed(work: Path, class_name: str, chunk: int = 32) -> np.ndarray:
    pack(CHALLENGE, work, work / "out.zip", overwrite=True, settings=PackSettings(chunk_voxels=chunk))
    with open_submission(work / "out.zip") as submission:
        array = submission.array(7, class_name)
        assert array is not None
        return array.read()


def covering(voxel_size: tuple[float, float, float], more_nm: float = 0.0) -> Grid:
    """The lattice anchored at 0 of another voxel size, as far as the crop and `more_nm` reach."""
    extent = FINE.extent.grow((more_nm,) * 3)
    lattice = Grid.covering(Extent((0.0, 0.0, 0.0), extent.stop_nm), voxel_size)
    return lattice.subgrid(lattice.box_of(extent, snap="outer"))


def test_a_larger_volume_on_the_same_lattice_is_cropped_exactly(tmp_path: Path) -> None:
    grid = FINE.subgrid(FINE.box.grow((3, 2, 1), (1, 2, 3)))
    ids = drawn_ids(grid, 900)
    write_processed(tmp_path, 7, "mito", ids, grid)
    np.testing.assert_array_equal(packed(tmp_path, "mito"), ids[3:-1, 2:-2, 1:-3])


def test_a_shift_that_the_scorer_would_round_is_exact(tmp_path: Path) -> None:
    """Three voxels of 4.6 nm: the scorer's own alignment would lose one of them."""
    crop = CHALLENGE.crop(9)
    grid = crop.grid.subgrid(crop.grid.box.grow((0, 3, 3)))
    mask = (drawn_ids(grid, 2) > 1).astype("uint8")
    write_processed(tmp_path, 9, "pm", mask, grid)
    pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
    with open_submission(tmp_path / "out.zip") as submission:
        array = submission.array(9, "pm")
        assert array is not None
        np.testing.assert_array_equal(array.read(), mask[:, 3:-3, 3:-3])


def test_coarser_ids_repeat_on_nested_lattices_as_the_scorer_repeats_them(tmp_path: Path) -> None:
    grid = covering((8.0, 8.0, 8.0))
    ids = drawn_ids(grid, 900)
    write_processed(tmp_path, 7, "mito", ids, grid)
    start = grid.rescaled(FINE.voxel_size_nm).shift_to(FINE)
    repeated = rescale_labels(ids, grid.voxel_size_nm, FINE.voxel_size_nm, Kind.INSTANCE)
    expected = repeated[tuple(slice(a, a + n) for a, n in zip(start, FINE.shape, strict=True))]
    np.testing.assert_array_equal(packed(tmp_path, "mito"), expected)


def test_coarser_masks_are_smooth_and_full_ones_stay_full(tmp_path: Path) -> None:
    grid = covering((8.0, 8.0, 8.0))
    write_processed(tmp_path, 7, "er", np.ones(grid.shape, "uint8"), grid)
    assert packed(tmp_path, "er").all()

    ball = covering((16.0, 16.0, 16.0), more_nm=32)
    centre = np.array(FINE.extent.centre_nm)
    places = np.stack(
        np.meshgrid(
            *(
                o + v * np.arange(n)
                for o, v, n in zip(ball.origin_nm, ball.voxel_size_nm, ball.shape, strict=True)
            ),
            indexing="ij",
        )
    )
    inside = (np.linalg.norm(places - centre[:, None, None, None], axis=0) < 50).astype("uint8")
    write = tmp_path / "ball"
    write_processed(write, 7, "er", inside, ball)
    found = packed(write, "er")
    fine = np.stack(
        np.meshgrid(
            *(
                o + v * np.arange(n)
                for o, v, n in zip(FINE.origin_nm, FINE.voxel_size_nm, FINE.shape, strict=True)
            ),
            indexing="ij",
        )
    )
    truth = np.linalg.norm(fine - centre[:, None, None, None], axis=0) < 50
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.85
    np.testing.assert_allclose(np.argwhere(found).mean(0), np.argwhere(truth).mean(0), atol=0.6)


def test_finer_masks_are_voted_on(tmp_path: Path) -> None:
    grid = covering((2.0, 2.0, 2.0))
    mask = np.zeros(grid.shape, "uint8")
    mask[10:16, 10:16, 10:16] = 1
    mask[20:22, 20:22, 20] = 1
    write_processed(tmp_path, 7, "er", mask, grid)
    expected = np.zeros(FINE.shape, "uint8")
    expected[5:8, 5:8, 5:8] = 1
    np.testing.assert_array_equal(packed(tmp_path, "er"), expected)


def test_other_values_than_1_are_inside_too(tmp_path: Path) -> None:
    mask = drawn_ids(FINE, 255, "uint8")
    write_processed(tmp_path, 7, "er", mask, FINE)
    np.testing.assert_array_equal(packed(tmp_path, "er"), mask > 0)


SIZES = [(8.0, 8.0, 8.0), (5.24, 4.0, 4.0), (3.0, 7.0, 11.0), (4.0, 4.0, 4.0), (1.74, 2.0, 2.0)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[float, ...], Volume]:
    """A volume of each voxel size."""
    work = tmp_path_factory.mktemp("sources")
    found = {}
    for number, size in enumerate(SIZES):
        grid = covering(size, more_nm=5)
        path = processed_path(work / str(number), CHALLENGE.crop(7), "mito")
        write_multiscale(path, drawn_ids(grid, 3, "uint8"), grid, kind=Kind.INSTANCE, chunks=(24, 24, 24))
        found[size] = open_multiscale(path).levels[0]
    return found


@settings(max_examples=15)
@given(
    size=st.sampled_from(SIZES),
    kind=st.sampled_from([Kind.INSTANCE, Kind.SEMANTIC]),
    shape=st.tuples(st.integers(9, 40), st.integers(8, 40), st.integers(11, 60)),
)
def test_the_shape_of_the_blocks_changes_nothing(
    sources: dict[tuple[float, ...], Volume],
    size: tuple[float, float, float],
    kind: Kind,
    shape: tuple[int, int, int],
) -> None:
    source = sources[size]
    at_once = next(blocks(source, FINE, kind, (1000, 1000, 1000)))[1]
    in_blocks = np.full(FINE.shape, 99, at_once.dtype)
    for box, labels in blocks(source, FINE, kind, shape):
        in_blocks[box.slices()] = labels
    np.testing.assert_array_equal(in_blocks, at_once)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((200, 200, 200), (128, 256, 256)),
        ((4000, 4000, 4000), (128, 128, 1024)),
        ((300, 900, 300), (128, 256, 384)),
        ((300, 90, 90), (128, 90, 90)),
    ],
)
def test_blocks_are_whole_chunks_of_at_most_16_million_voxels(
    shape: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    chunk = tuple(min(128, n) for n in shape)
    target = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), shape)
    assert block_shape((chunk[0], chunk[1], chunk[2]), target) == expected
    coarser = target.downsampled()
    assert block_shape((chunk[0], chunk[1], chunk[2]), target, coarser) == expected


def test_blocks_of_a_finer_source_are_smaller() -> None:
    target = Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), (500, 500, 500))
    assert block_shape((128, 128, 128), target, target.rescaled((8.0, 8.0, 4.0))) == (128, 128, 512)
    assert block_shape((128, 128, 128), target, target.rescaled((4.0, 4.0, 4.0))) == (128, 128, 128)
    assert block_shape((128, 128, 128), target, target.rescaled((1.0, 1.0, 1.0))) == (128, 128, 128)
