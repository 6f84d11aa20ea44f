"""Where patches are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_world import crop_in_memory, noise

from organelle.geometry import Voxels
from organelle.sampling import SamplingSettings, TrainingCrop
from organelle.sampling.where import Places, voxel_of


def rare_and_common(shape: Voxels = (40, 40, 40), number: int = 1) -> TrainingCrop:
    common, rare = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    common[:, :, :20] = 1
    rare[30, 31, 5:8] = 1
    return crop_in_memory(noise(shape), {"er": common, "mito": rare, "ld": common * 0}, number=number)


def centres(crop: TrainingCrop, settings: SamplingSettings, reach: Voxels, count: int = 400) -> np.ndarray:
    places, rng = Places([crop], settings), np.random.default_rng(0)
    return np.array([places.draw(rng, np.array(reach, float))[1] for _ in range(count)])


def test_anywhere_means_evenly_with_no_more_than_the_overhang_outside() -> None:
    drawn = centres(rare_and_common(), SamplingSettings(balanced=0, overhang=0.25), (16, 16, 16), 2000)
    np.testing.assert_array_equal(drawn.min(axis=0), [4, 4, 4])
    np.testing.assert_array_equal(drawn.max(axis=0), [35, 35, 35])
    np.testing.assert_allclose(drawn.mean(axis=0), 19.5, atol=0.7)
    inside = centres(rare_and_common(), SamplingSettings(balanced=0, overhang=0), (16, 16, 16))
    np.testing.assert_array_equal(inside.min(axis=0), [8, 8, 8])
    everywhere = centres(rare_and_common(), SamplingSettings(balanced=0, overhang=0.5), (16, 16, 16), 2000)
    np.testing.assert_array_equal([everywhere.min(), everywhere.max()], [0, 39])


@pytest.mark.parametrize("reach", [(200, 200, 200), (50, 60, 70), (40, 41, 1)])
@pytest.mark.parametrize("balanced", [0, 1])
def test_a_patch_larger_than_the_crop_has_its_centre_in_the_crop(reach: Voxels, balanced: float) -> None:
    crop = rare_and_common()
    drawn = centres(crop, SamplingSettings(balanced=balanced), reach)
    assert drawn.min() >= 0
    assert (drawn < crop.shape).all()


def test_a_crop_shorter_than_the_patch_is_shown_whole_at_changing_places() -> None:
    drawn = centres(rare_and_common(), SamplingSettings(balanced=0), (60, 60, 60))
    assert drawn.min() == 10
    assert drawn.max() == 29


def test_rare_classes_are_shown_about_as_often_as_common_ones() -> None:
    drawn = centres(rare_and_common(), SamplingSettings(balanced=1, rarity=0, jitter=0.25), (16, 16, 16))
    near = (np.abs(drawn - [30, 31, 6]) <= [4, 4, 5]).all(axis=1)
    assert 0.4 < near.mean() < 0.6
    more = centres(rare_and_common(), SamplingSettings(balanced=1, rarity=0.5), (16, 16, 16))
    assert (np.abs(more - [30, 31, 6]) <= [4, 4, 5]).all(axis=1).mean() > 0.95


def test_a_drawn_voxel_is_of_its_class() -> None:
    crop, rng = rare_and_common(), np.random.default_rng(1)
    for channel in (0, 1):
        for _ in range(50):
            z, y, x = voxel_of(crop, channel, rng)
            assert crop.labels.present[crop.labels.codes[z, y, x], channel]


def test_the_plane_of_a_2d_patch_is_that_of_the_voxel() -> None:
    drawn = centres(rare_and_common(), SamplingSettings(balanced=1, rarity=1), (1, 16, 16))
    assert (drawn[:, 0] == 30).mean() > 0.99


def test_crops_are_drawn_by_their_known_size_and_classes_by_their_voxels() -> None:
    crops = [rare_and_common((40, 40, 40), 1), rare_and_common((40, 40, 10), 2)]
    rng = np.random.default_rng(0)
    reach = np.array([8.0, 8.0, 8.0])
    anywhere = Places(crops, SamplingSettings(balanced=0))
    share = np.mean([anywhere.draw(rng, reach)[0].crop.id == 1 for _ in range(500)])
    assert 0.75 < share < 0.85
    balanced = Places(crops, SamplingSettings(balanced=1, rarity=1))
    share = np.mean([balanced.draw(rng, reach)[0].crop.id == 1 for _ in range(500)])
    assert 0.4 < share < 0.65


def test_crops_without_any_class_present_are_drawn_from_evenly() -> None:
    empty = crop_in_memory(noise((10, 10, 10)), {"er": np.zeros((10, 10, 10), np.uint8)})
    unknown = crop_in_memory(noise((10, 10, 10)), {"er": np.full((10, 10, 10), 2, np.uint8)})
    for crop in (empty, unknown):
        assert len(np.unique(centres(crop, SamplingSettings(balanced=1), (4, 4, 4)), axis=0)) > 100
