"""What the browser draws is what is stored, voxel by voxel and in its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser import CHROMIUM, SIZE, chromium, csc_visualize, forwarded, look_straight, wait_until_drawn
from playwright.sync_api import Page

from organelle.catalog import Crop, em_folder, label_path, load_catalog, prediction_path
from organelle.classes import Kind
from organelle.geometry import Voxels
from organelle.scenes import colour_of
from organelle.submission import ZarrZip, open_submission
from organelle.visualize.levels import Array, SubmittedLevel
from organelle.volumes import Volume, open_multiscale, write_multiscale

PIXELS_PER_VOXEL = 2
"""A pixel then lies within one voxel, whatever is rounded on the way, and half a voxel is seen."""

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: chromium is not installed"),
]


class Challenge:
    """A folder of tables, its data, and where `csc visualize` shows it."""

    def __init__(self, tables: Path, link: str) -> None:
        self.tables, self.data, self.link = tables, tables / "bucket", link
        self.catalog = load_catalog(tables)

    def em(self, crop: Crop) -> tuple[Volume, ...]:
        return open_multiscale(em_folder(self.data, crop.dataset)).levels

    def labels(self, crop: Crop, name: str) -> Volume:
        return open_multiscale(label_path(self.data, crop, name)).levels[0]


@pytest.fixture(scope="module")
def sample(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Challenge]:
    """Real EM of two datasets, one of them with voxels of 50 x 4.6 x 4.6 nm."""
    tables = shared / "sample"
    if not tables.is_dir():
        pytest.skip(f"the real mini challenge is not here: no folder {tables}")
    work = tmp_path_factory.mktemp("work")
    with csc_visualize("--catalog", tables, "--data", tables / "bucket", "--work", work) as link:
        yield Challenge(tables, link)


@pytest.fixture(scope="module")
def phantom(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Challenge]:
    work = tmp_path_factory.mktemp("work")
    with csc_visualize(
        "--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", work
    ) as link:
        yield Challenge(tiny_challenge, link)


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as tab:
        yield tab


def open_crop(page: Page, link: str, crop: Crop) -> None:
    page.goto(f"{link}view/{crop.name}")
    wait_until_drawn(page)


def middle(level: Volume, crop: Crop) -> Voxels:
    """The voxel of a level in the middle of a crop."""
    index = (round(i) for i in level.grid.to_index(crop.extent.centre_nm))
    z, y, x = (min(i, n - 1) for i, n in zip(index, level.grid.shape, strict=True))
    return z, y, x


def draw_slice(page: Page, layer: dict, level: Array, at: Voxels) -> tuple[np.ndarray, np.ndarray]:
    """RGB per voxel of a slice around the voxel `at`, and the voxels that it should show.

    The view is centred on the edge between two voxels, so that pixels and voxels share their edges.
    """
    z, y, x = at
    size = level.grid.voxel_size_nm[2]
    edge = level.grid.to_nm((z, y - 0.5, x - 0.5))
    drawn = look_straight(page, layer, edge, size / PIXELS_PER_VOXEL)
    high, wide = SIZE["height"] // PIXELS_PER_VOXEL, SIZE["width"] // PIXELS_PER_VOXEL
    rows = slice(max(0, high // 2 - y), min(high, high // 2 - y + level.grid.shape[1]))
    columns = slice(max(0, wide // 2 - x), min(wide, wide // 2 - x + level.grid.shape[2]))
    corners = [drawn[i::PIXELS_PER_VOXEL, j::PIXELS_PER_VOXEL][rows, columns] for i in (0, 1) for j in (0, 1)]
    voxels = corners[0]
    assert all(np.array_equal(voxels, pixels) for pixels in corners), "off by a part of a voxel"
    top, left = y - high // 2 + rows.start, x - wide // 2 + columns.start
    stored = level.read()[z, top : top + voxels.shape[0], left : left + voxels.shape[1]]
    assert min(stored.shape) >= 40
    return voxels, stored


def require_same(found: np.ndarray, expected: np.ndarray, tolerance: int = 1) -> None:
    """Every voxel, and in this place only: moved by one voxel along an axis they must differ."""
    found, expected = found.astype(int), expected.astype(int)
    wrong = np.abs(found - expected) > tolerance
    assert not wrong.any(), f"{wrong.mean():.1%} of the voxels differ"
    for axis in (0, 1):
        assert (np.abs(np.roll(found, 1, axis) - expected) > tolerance).mean() > 0.01


def crowded(labels: Volume) -> Voxels:
    """A voxel with many objects around it."""
    ids, reach = labels.read(), (60, 80)
    places = [
        (z, y, x)
        for z in range(0, ids.shape[0], 4)
        for y in range(reach[0], ids.shape[1] - reach[0], 20)
        for x in range(reach[1], ids.shape[2] - reach[1], 20)
    ]
    return max(
        places,
        key=lambda p: np.unique(ids[p[0], p[1] - 60 : p[1] + 60, p[2] - 80 : p[2] + 80]).size,
    )


GREY = {"name": "EM", "shaderControls": {"contrast": {"range": [0, 255]}}}


@pytest.mark.parametrize("number", [911, 901, 961])
def test_em_of_the_sample(sample: Challenge, page: Page, number: int) -> None:
    crop = sample.catalog.crop(number)
    open_crop(page, sample.link, crop)
    drawn, stored = draw_slice(page, GREY, sample.em(crop)[0], middle(sample.em(crop)[0], crop))
    assert np.ptp(drawn, axis=2).max() == 0
    require_same(drawn[..., 0], stored)


def test_levels_that_are_not_here_are_not_missed(sample: Challenge, page: Page, tmp_path: Path) -> None:
    """The metadata lists a finest level that was not fetched; the next lies half a fine voxel further."""
    crop, data = sample.catalog.crop(911), tmp_path / "data"
    shutil.copytree(
        em_folder(sample.data, crop.dataset),
        em_folder(data, crop.dataset),
        ignore=shutil.ignore_patterns("s0"),
    )
    coarse = sample.em(crop)[1]
    with csc_visualize("--catalog", sample.tables, "--data", data, "--work", tmp_path) as link:
        open_crop(page, link, crop)
        drawn, stored = draw_slice(page, GREY, coarse, middle(coarse, crop))
    require_same(drawn[..., 0], stored)


def test_a_mask_of_the_sample(sample: Challenge, page: Page) -> None:
    crop = sample.catalog.crop(911)
    open_crop(page, sample.link, crop)
    solid = {"name": "pm truth", "selectedAlpha": 1}
    labels = sample.labels(crop, "pm")
    drawn, stored = draw_slice(page, solid, labels, middle(labels, crop))
    painted = np.abs(drawn.astype(int) - colour_of("pm")).max(axis=2) <= 1
    require_same(painted, stored == 1, tolerance=0)


def test_objects_of_the_sample(sample: Challenge, page: Page) -> None:
    """Each object has one colour, no two neighbours the same."""
    crop = sample.catalog.crop(911)
    open_crop(page, sample.link, crop)
    solid = {"name": "mito truth", "selectedAlpha": 1}
    labels = sample.labels(crop, "mito")
    drawn, stored = draw_slice(page, solid, labels, crowded(labels))
    colours = {tuple(drawn[stored == i].mean(axis=0)) for i in np.unique(stored)}
    assert len(colours) == len(np.unique(stored)) > 2
    for i in np.unique(stored):
        assert np.ptp(drawn[stored == i], axis=0).max() == 0


def test_the_phantom(phantom: Challenge, page: Page) -> None:
    crop = next(iter(phantom.catalog.train_crops.values()))
    open_crop(page, phantom.link, crop)
    drawn, stored = draw_slice(page, GREY, phantom.em(crop)[0], middle(phantom.em(crop)[0], crop))
    require_same(drawn[..., 0], stored)
    solid = {"name": "cyto truth", "selectedAlpha": 1}
    labels = phantom.labels(crop, "cyto")
    open_crop(page, phantom.link, crop)
    drawn, stored = draw_slice(page, solid, labels, middle(labels, crop))
    require_same(np.abs(drawn.astype(int) - colour_of("cyto")).max(axis=2) <= 1, stored == 1, tolerance=0)


def test_through_a_tunnel_to_another_port(phantom: Challenge, page: Page) -> None:
    crop = next(iter(phantom.catalog.train_crops.values()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with forwarded(urlsplit(phantom.link).port or 0) as port:
        open_crop(page, f"http://localhost:{port}/", crop)
        drawn, stored = draw_slice(page, GREY, phantom.em(crop)[0], middle(phantom.em(crop)[0], crop))
    require_same(drawn[..., 0], stored)
    assert {urlsplit(url).port for url in asked if url.startswith("http")} == {port}


def test_what_is_decoded_on_the_way(phantom: Challenge, page: Page, tmp_path: Path) -> None:
    """A mask in a submission's zip, and probabilities of a type that the viewer does not know."""
    crop = next(iter(phantom.catalog.test_crops.values()))
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 2, crop.grid.shape).astype(np.uint8)
    mask[:, :16] = 0
    share = rng.random(crop.grid.shape)
    with ZarrZip(tmp_path / "submission.zip", chunk_voxels=16) as archive:
        archive.write_group("")
        archive.write_group(f"{crop.name}/")
        archive.write_labels(f"{crop.name}/cyto", crop.grid, mask)
    write_multiscale(prediction_path(tmp_path, crop, "er"), share, crop.grid, kind=Kind.IMAGE)
    at = crop.grid.shape[0] // 2, crop.grid.shape[1] // 2, crop.grid.shape[2] // 2
    plain = "#uicontrol invlerp probability\nvoid main() { emitGrayscale(probability()); }"
    with csc_visualize(
        "--catalog", phantom.tables, "--data", phantom.data, "--work", tmp_path, "-c", crop.id
    ) as link:
        open_crop(page, link, crop)
        solid = {"name": "cyto submission", "selectedAlpha": 1}
        submitted = open_submission(tmp_path / "submission.zip").array(crop.id, "cyto")
        assert submitted is not None
        drawn, stored = draw_slice(page, solid, SubmittedLevel(submitted.levels[0], crop.grid), at)
        require_same(np.abs(drawn.astype(int) - colour_of("cyto")).max(axis=2) <= 1, stored == 1, tolerance=0)
        open_crop(page, link, crop)
        grey = {"name": "er prediction", "shader": plain, "opacity": 1}
        level = open_multiscale(prediction_path(tmp_path, crop, "er")).levels[0]
        drawn, stored = draw_slice(page, grey, level, at)
    require_same(drawn[..., 0], 255 * stored, tolerance=2)
