"""Crops from real stores: the lattice, levels, what is unknown, and what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_world import UNIT, make_spec, mask, noise, write_world

from organelle.catalog import Crop, em_path, label_path, load_catalog
from organelle.classes import Kind
from organelle.errors import ChunkError, EMMissing, FileMissing, GridMismatch, SettingsError
from organelle.geometry import Box, Grid, Nm
from organelle.models import ModelSettings
from organelle.sampling import (
    PatchStream,
    SamplingSettings,
    class_frequencies,
    draw,
    em_statistics,
    load_crop,
    load_crops,
    model_lattice,
    open_em,
    patch_margin_nm,
    read_em,
    require_known_classes,
)
from organelle.volumes import open_multiscale, resample, write_labels

SHAPE = (32, 32, 32)


def test_a_plain_patch_equals_the_stored_arrays(tmp_path: Path) -> None:
    em, mito = noise(SHAPE), mask((16, 12, 20))
    crop = write_world(tmp_path, em, {"mito": mito}, label_corner_nm=(64, 40, 32))
    spec = make_spec((8, 8, 8))
    loaded = load_crop(tmp_path, crop, spec, (24, 24, 24))
    assert loaded.shape == (16, 12, 20)
    assert loaded.em.shape == (22, 18, 26)
    assert loaded.em.dtype == np.uint8
    patch = draw(loaded, spec, (8, 6, 10))
    np.testing.assert_array_equal(patch.em, em[12:20, 7:15, 10:18])
    np.testing.assert_array_equal(patch.target[0], mito[4:12, 2:10, 6:14])
    assert patch.known.all()


def test_the_margin_ends_where_the_em_ends(tmp_path: Path) -> None:
    crop = write_world(tmp_path, noise(SHAPE), {"mito": mask(SHAPE)})
    loaded = load_crop(tmp_path, crop, make_spec((8, 8, 8)), (400, 400, 400))
    assert loaded.em.shape == SHAPE
    assert loaded.em_present.size == 0


@pytest.mark.parametrize("corner", [(64, 32, 16), (60, 28, 20)])
def test_finer_labels_land_on_the_lattice_of_the_em(tmp_path: Path, corner: Nm) -> None:
    """Labels twice as fine as the EM, on its lattice and between its voxels."""
    label_grid_size: Nm = (4.0, 4.0, 4.0)
    fine = np.zeros((24, 24, 24), np.uint8)
    fine[4:12, 4:16, 8:20] = 1
    crop = write_world(
        tmp_path,
        noise(SHAPE),
        {"mito": fine},
        label_size=label_grid_size,
        label_corner_nm=corner,
        label_levels=2,
    )
    loaded = load_crop(tmp_path, crop, make_spec((8, 8, 8)), (0, 0, 0))
    wanted = [c // 8 + s // 2 for c, s in zip(corner, (4, 4, 8), strict=True)]
    present = np.argwhere(loaded.labels.present[loaded.labels.codes, 0])
    start = present.min(axis=0) - loaded.grid.shift_to(Grid((8, 8, 8), (4, 4, 4), SHAPE))
    assert np.abs(start - wanted).max() <= 1
    assert len(present) == 4 * 6 * 6
    if corner == (64, 32, 16):
        np.testing.assert_array_equal(start, wanted)
        assert loaded.labels.known[loaded.labels.codes].all()


def test_another_voxel_size_is_resampled_on_the_lattice_from_the_em_corner(tmp_path: Path) -> None:
    em = noise((24, 30, 36))
    labels = mask((24, 30, 36))
    crop = write_world(tmp_path, em, {"mito": labels}, em_size=(8, 4, 4), label_size=(8, 4, 4))
    spec = make_spec((4, 8, 8), size=(8, 6, 6))
    loaded = load_crop(tmp_path, crop, spec, (0, 0, 0))
    source, target = Grid((8, 4, 4), (4, 2, 2), em.shape), Grid((8, 6, 6), (4, 3, 3), (24, 20, 24))
    assert loaded.grid == target
    np.testing.assert_array_equal(loaded.em, resample(em, source, target, Kind.IMAGE))
    expected = resample(labels, source, target, Kind.SEMANTIC)
    np.testing.assert_array_equal(loaded.labels.present[loaded.labels.codes, 0], expected == 1)


@pytest.mark.parametrize("size", [(8.0, 8.0, 8.0), (8.0, 10.0, 12.0), (16.0, 16.0, 16.0), (6.0, 6.0, 6.0)])
def test_em_does_not_depend_on_how_a_region_is_cut(tmp_path: Path, size: Nm) -> None:
    crop = write_world(tmp_path, noise((40, 40, 40)), {"mito": mask((8, 8, 8))}, em_levels=2)
    image = open_em(tmp_path, crop)
    lattice = model_lattice(image, size)
    box = lattice.box.grow((3, 2, 1))
    whole = read_em(image, lattice, box)
    for tile in box.tiles((11, 13, 17)):
        part = read_em(image, lattice, tile)
        np.testing.assert_array_equal(part.values, whole.values[tile.slices(box.start)])
        np.testing.assert_array_equal(part.present, whole.present[tile.slices(box.start)])
    centres = (np.indices(box.shape).T + box.start + 0.5) * size
    np.testing.assert_array_equal(whole.present, ((centres > 0) & (centres < 320)).all(axis=-1).T)


@pytest.mark.parametrize("size", [(8.0, 8.0, 8.0), (16.0, 16.0, 16.0), (8.0, 12.8, 6.4)])
def test_a_missing_chunk_is_not_black_tissue(tmp_path: Path, size: Nm) -> None:
    crop = write_world(tmp_path, np.full(SHAPE, 90, np.uint8), {"mito": np.ones(SHAPE, np.uint8)})
    (em_path(tmp_path, "drawn") / "s0" / "0" / "1" / "0").unlink()
    spec = make_spec((16, 16, 16), size=size)
    loaded = load_crop(tmp_path, crop, spec, (0, 0, 0))
    known = loaded.labels.known[loaded.labels.codes, 0]
    np.testing.assert_array_equal(known, loaded.em_present)
    assert (loaded.em[loaded.em_present] == 90).all()
    lost = np.argwhere(~loaded.em_present) * size
    assert lost.min(axis=0).tolist() == [0, pytest.approx(128, abs=12.8), 0]
    assert lost.max(axis=0).tolist() == [pytest.approx(n, abs=16) for n in (120, 248, 120)]
    statistics = em_statistics([loaded])
    assert (statistics.mean, statistics.std) == (90, 1)


def test_255_is_unknown_where_it_means_that_and_an_id_where_it_does_not(tmp_path: Path) -> None:
    values = np.zeros((16, 16, 16), np.uint8)
    values[:4], values[4:8] = 255, 1
    crop = write_world(tmp_path, noise(SHAPE), {"er": values, "mito": values})
    ids = Crop(crop.id, crop.dataset, crop.grid, ("er", "mito", "ld"))
    write_labels(label_path(tmp_path, ids, "ld"), values, crop.grid, "ld", unknown=False)
    spec = make_spec((16, 16, 16), ("er", "mito", "ld"))
    patch = draw(load_crop(tmp_path, ids, spec, (0, 0, 0), relations=False), spec, (8, 8, 8))
    for channel, unknown in enumerate((True, True, False)):
        assert patch.known[channel, :4].all() == (not unknown)
        assert patch.known[channel, 4:].all()
        assert patch.target[channel, :4].all() == (not unknown)
        assert patch.target[channel, 4:8].all()
        assert not patch.target[channel, 8:].any()


def test_what_is_annotated_speaks_for_what_is_not_unless_that_is_switched_off(tmp_path: Path) -> None:
    states = mask((16, 16, 16))
    crop = write_world(tmp_path, noise(SHAPE), {"mito_mem": states})
    model = make_spec((16, 16, 16), ("mito", "er"))
    with_relations = draw(load_crop(tmp_path, crop, model, (0, 0, 0)), model, (8, 8, 8))
    np.testing.assert_array_equal(with_relations.target[0], states)
    np.testing.assert_array_equal(with_relations.known, np.stack([states == 1] * 2))
    without = load_crop(tmp_path, crop, model, (0, 0, 0), relations=False)
    assert not draw(without, model, (8, 8, 8)).known.any()
    with pytest.raises(SettingsError, match="mito, er: not one known voxel in the training crops 7"):
        require_known_classes([without])
    assert np.isnan(class_frequencies([without])).all()


def test_frequencies_are_shares_of_the_known_voxels_of_all_crops(tmp_path: Path) -> None:
    first = np.zeros((16, 16, 16), np.uint8)
    first[:4], first[12:] = 1, 255
    second = np.zeros((8, 8, 8), np.uint8)
    one = write_world(tmp_path / "a", noise(SHAPE), {"er": first})
    two = write_world(tmp_path / "b", noise(SHAPE), {"er": second}, number=8)
    model = make_spec((8, 8, 8), ("er", "ld"))
    loaded = [load_crop(tmp_path / place, c, model, (0, 0, 0)) for place, c in (("a", one), ("b", two))]
    er, ld = class_frequencies(loaded)
    assert er == pytest.approx(4 * 256 / (12 * 256 + 512))
    assert ld == 0  # where er is, ld is not
    require_known_classes(loaded)


def test_em_statistics_pool_voxels_of_the_labelled_parts(tmp_path: Path) -> None:
    em = noise(SHAPE)
    crop = write_world(tmp_path, em, {"er": mask((16, 16, 16))}, label_corner_nm=(64, 64, 64))
    loaded = load_crop(tmp_path, crop, make_spec((8, 8, 8), ("er",)), (64, 64, 64))
    inner = em[8:24, 8:24, 8:24]
    statistics = em_statistics([loaded, loaded])
    assert statistics.mean == pytest.approx(inner.mean())
    assert statistics.std == pytest.approx(inner.std(), rel=1e-5)


def test_a_crop_without_em_is_refused(tmp_path: Path) -> None:
    crop = write_world(tmp_path, noise(SHAPE), {"mito": mask((16, 16, 16))})
    for chunk in (em_path(tmp_path, "drawn") / "s0").rglob("[0-9]"):
        if chunk.is_file():
            chunk.unlink()
    with pytest.raises(EMMissing, match=r"crop 7: .* none of its chunks .*fetch-data --crops 7"):
        load_crop(tmp_path, crop, make_spec((8, 8, 8)), (0, 0, 0))
    shutil.rmtree(em_path(tmp_path, "drawn"))
    with pytest.raises(EMMissing, match=r"crop 7: no EM of drawn .*fetch-data --crops 7"):
        load_crop(tmp_path, crop, make_spec((8, 8, 8)), (0, 0, 0))


def test_a_listed_class_that_is_not_here_is_an_error_and_an_unlisted_one_is_unknown(tmp_path: Path) -> None:
    crop = write_world(tmp_path, noise(SHAPE), {"mito": mask((16, 16, 16)), "er": mask((16, 16, 16))})
    shutil.rmtree(label_path(tmp_path, crop, "er"))
    with pytest.raises(FileMissing, match="crop 7 is annotated with er"):
        load_crop(tmp_path, crop, make_spec((8, 8, 8), ("er",)), (0, 0, 0))
    load_crop(tmp_path, crop, make_spec((8, 8, 8), ("mito",)), (0, 0, 0))
    loaded = load_crop(tmp_path, crop, make_spec((8, 8, 8), ("mito", "ld")), (0, 0, 0))
    assert not loaded.labels.known[:, 1].all()


def test_a_truncated_chunk_is_named(tmp_path: Path) -> None:
    crop = write_world(tmp_path, noise(SHAPE), {"mito": mask((16, 16, 16))})
    chunk = em_path(tmp_path, "drawn") / "s0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(ChunkError, match="s0/0/0/0"):
        load_crop(tmp_path, crop, make_spec((8, 8, 8)), (0, 0, 0))


def test_em_that_is_far_too_coarse_is_refused(tmp_path: Path) -> None:
    crop = write_world(tmp_path, noise(SHAPE), {"mito": mask((8, 8, 8))}, em_size=(40, 8, 8))
    with pytest.raises(GridMismatch, match="stretched more than 4 times"):
        load_crop(tmp_path, crop, make_spec((8, 8, 8)), (0, 0, 0))
    assert load_crop(tmp_path, crop, make_spec((8, 8, 8), size=(10, 8, 8)), (0, 0, 0)).em.shape[0] > 0


def test_no_crops_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no crops"):
        load_crops(tmp_path, [], make_spec((8, 8, 8)))


def test_the_margin_is_as_far_as_a_patch_can_reach() -> None:
    cube = make_spec((32, 32, 32))
    still = SamplingSettings().without_augmentation()
    assert patch_margin_nm(cube, still) == (136, 136, 136)
    assert patch_margin_nm(cube, SamplingSettings()) == pytest.approx((136 * 3**0.5,) * 3)
    plane = make_spec((1, 64, 32), size=(50, 5, 5))
    half = np.hypot(33 * 5, 17 * 5)
    assert patch_margin_nm(plane, still) == (50, 165, 85)
    assert patch_margin_nm(plane, SamplingSettings()) == pytest.approx((50, half, half))
    any_plane = make_spec((1, 64, 32))
    assert patch_margin_nm(any_plane, SamplingSettings(rotate=0)) == (264, 264, 264)


@pytest.mark.parametrize(
    ("number", "model"),
    [
        (902, {"network": "unet_3d", "classes": ["pm", "cell"], "voxel_size_nm": [10, 10, 10],
               "patch_shape": [32, 32, 32]}),
        (912, {"network": "unet_2d", "classes": ["mito", "pm", "cyto"], "voxel_size_nm": [50, 4.6, 4.6],
               "patch_shape": [1, 64, 96]}),
    ],
)  # fmt: skip
def test_on_real_data_plain_patches_equal_plain_slices(
    shared: Path, number: int, model: dict[str, object]
) -> None:
    crop = load_catalog(shared / "sample").crop(number)
    settings = ModelSettings.model_validate(model)
    data = shared / "sample" / "bucket"
    plain = SamplingSettings(batch_size=1).without_augmentation()
    loaded = load_crops(data, [crop], settings, plain)
    spec = settings.with_normalisation(UNIT)
    centre = (8, 100, 30)
    patch = draw(loaded[0], spec, centre)
    em = open_multiscale(em_path(data, crop.dataset)).levels[0]
    shift = em.grid.shift_to(crop.grid)
    start = tuple(c - n // 2 for c, n in zip(centre, spec.patch_shape, strict=True))
    box = Box((start[0], start[1], start[2]), spec.patch_shape)
    np.testing.assert_array_equal(patch.em, em.read(box.shift(shift)))
    for channel, name in enumerate(spec.classes):
        labels = open_multiscale(label_path(data, crop, name)).levels[0].read(box, fill=255)
        np.testing.assert_array_equal(patch.target[channel], (labels > 0) & (labels != 255))
        np.testing.assert_array_equal(patch.known[channel], labels != 255)
    stream = PatchStream(loaded, spec, plain, seed=1)
    assert stream[0].em.shape == (1, 1, *spec.spatial_shape)
