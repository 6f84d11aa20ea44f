"""Figures are drawn whole, alike every time, and never over others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from organelle.catalog import load_catalog
from organelle.catalog.figures import FIGURES, crops_map, draw_figures, voxels_figure, voxels_map
from organelle.errors import CatalogError, OutputExists

WHOLE = load_catalog()
SMALL = replace(
    WHOLE,
    datasets={name: WHOLE.datasets[name] for name in ("jrc_hela-2", "jrc_hela-3")},
    train_crops={n: replace(WHOLE.crop(n), classes=WHOLE.crop(n).classes[:6]) for n in (1, 3, 111)},
    test_crops={n: replace(WHOLE.crop(1), id=n, is_test=True) for n in (901, 902)},
)


def test_every_figure_is_drawn_twice_alike_and_not_overwritten(tmp_path: Path) -> None:
    files = draw_figures(SMALL, tmp_path / "a")
    assert {file.name for file in files} == {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    again = draw_figures(SMALL, tmp_path / "b")
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in again]
    assert all(f.read_bytes().startswith((b"\x89PNG", b"<?xml")) for f in files)
    with pytest.raises(OutputExists):
        draw_figures(SMALL, tmp_path / "a")


def test_the_maps_show_the_numbers_of_the_tables() -> None:
    crops, voxels = crops_map(SMALL).axes[0], voxels_map(SMALL).axes[0]
    first = [text.get_text() for text in crops.texts[:2]]
    assert [label.get_text() for label in crops.get_xticklabels()] == ["jrc_hela-2", "jrc_hela-3"]
    assert first == ["2", "1"]
    assert [text.get_text() for text in voxels.texts[:2]] == ["520", "500"]


def test_large_numbers_are_written_for_people() -> None:
    figure = voxels_figure(WHOLE)
    figure.canvas.draw()
    for axes, written in zip(figure.axes, ("10 G", "100 M"), strict=True):
        assert written in [label.get_text() for label in axes.get_xticklabels()]
        assert axes.xaxis.get_offset_text().get_text() == ""


def test_numbers_on_the_maps_are_read_well_in_grey() -> None:
    for figure in (crops_map(WHOLE), voxels_map(WHOLE)):
        image = figure.axes[0].images[0]
        linear = ((image.cmap(np.linspace(0, 1, 50))[:, :3] + 0.055) / 1.055) ** 2.4
        luminance = linear @ [0.2126, 0.7152, 0.0722]  # WCAG 2.1
        assert ((luminance + 0.05) / 0.05).min() > 6  # black on the darkest
        assert (np.diff(luminance) < 0).all()


def test_without_training_crops_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no training crop"):
        draw_figures(replace(WHOLE, train_crops={}), tmp_path)
    assert not list(tmp_path.iterdir())
