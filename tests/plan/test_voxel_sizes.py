"""Voxel sizes and groups, from figures alone."""

from __future__ import annotations

import pytest

from organelle.catalog import Crop
from organelle.geometry import Grid, Nm
from organelle.plan import ClassFigures, Form, Survey, form_groups
from organelle.plan.groups import wanted_voxel_size
from organelle.plan.survey import form_of


def figures(name: str, thickness: float, label: float = 2.0) -> ClassFigures:
    return ClassFigures(name, thickness, 0.1, label, 1)


def surveyed(
    *classes: ClassFigures,
    form: Form = Form.CUBES,
    em: dict[str, tuple[Nm, ...]] | None = None,
    side: int = 400,
    label: Nm = (4.0, 4.0, 4.0),
) -> Survey:
    names = tuple(one.name for one in classes)
    levels = em or {"a": tuple((v, v, v) for v in (4.0, 8.0, 16.0, 32.0, 64.0))}
    crop = Crop(1, next(iter(levels)), Grid(label, (0.0, 0.0, 0.0), (side,) * 3), names)
    return Survey(form, levels, (crop,), classes)


@pytest.mark.parametrize(
    ("thickness", "size"), [(10, 4), (15, 4), (33, 8), (60, 8), (64, 16), (150, 32), (5000, 32)]
)
def test_a_class_gets_the_coarsest_stored_size_at_which_it_is_four_voxels_thick(
    thickness: float, size: float
) -> None:
    one = figures("mito", thickness)
    assert wanted_voxel_size(one, surveyed(one)) == (size,) * 3


def test_never_finer_than_its_labels() -> None:
    one = figures("mito", 10, label=16.0)
    assert wanted_voxel_size(one, surveyed(one)) == (16, 16, 16)


def test_small_crops_keep_enough_voxels_across() -> None:
    one = figures("nuc", 5000)
    assert wanted_voxel_size(one, surveyed(one, side=100)) == (8, 8, 8)


def test_classes_twice_as_coarse_are_learned_apart() -> None:
    groups = form_groups(
        surveyed(figures("mito", 70), figures("pm", 12), figures("er", 40), figures("ves", 17))
    )
    assert [(g.name, [c.name for c in g.classes]) for g in groups] == [
        ("cubes-4nm", ["pm", "ves"]),
        ("cubes-8nm", ["er"]),
        ("cubes-16nm", ["mito"]),
    ]


def test_cells_are_learned_with_the_membranes_that_part_them() -> None:
    (group,) = form_groups(surveyed(figures("cell", 5000), figures("pm", 12)))
    assert group.voxel_size_nm == (4, 4, 4)
    (alone,) = form_groups(surveyed(figures("cell", 5000)))
    assert alone.voxel_size_nm == (32, 32, 32)


def test_sections_become_no_thicker() -> None:
    levels = ((40.0, 4.0, 4.0), (80.0, 8.0, 8.0), (160.0, 16.0, 16.0))
    one = figures("mito", 70)
    found = surveyed(one, form=Form.SECTIONS, em={"a": levels}, label=levels[0])
    assert wanted_voxel_size(one, found) == (40, 16, 16)


def test_where_datasets_differ_no_em_is_stretched_more_than_twice() -> None:
    cubes = {name: tuple((v * 2.0**k,) * 3 for k in range(4)) for name, v in {"a": 2.0, "b": 8.0}.items()}
    one = figures("pm", 10)
    assert wanted_voxel_size(one, surveyed(one, em=cubes)) == (4, 4, 4)


def test_sizes_that_most_datasets_store_are_preferred() -> None:
    levels = {"a": 5.0, "b": 4.0, "c": 4.0}
    cubes = {name: tuple((v * 2.0**k,) * 3 for k in range(3)) for name, v in levels.items()}
    one = figures("er", 44)
    assert wanted_voxel_size(one, surveyed(one, em=cubes)) == (8, 8, 8)


@pytest.mark.parametrize(
    ("size", "form"),
    [
        ((4.0, 4.0, 4.0), "cubes"),
        ((5.24, 4.0, 4.0), "cubes"),
        ((8.0, 4.0, 4.0), "slabs"),
        ((40.0, 4.0, 4.0), "sections"),
    ],
)
def test_the_form_is_the_ratio_of_the_sides(size: Nm, form: str) -> None:
    assert form_of(size) == form
