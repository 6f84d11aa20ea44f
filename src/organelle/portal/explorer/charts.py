"""The charts of `statistics`, as Altair draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from organelle.catalog.listing import Row
from organelle.portal.explorer.drawing import SERIES, SHADES, altair
from organelle.portal.explorer.statistics import Statistic

WIDTH = 620
STEP = 15
"""Pixels from one row to the next."""

SIDES = ("training crops", "test crops")


def chart_of(statistic: Statistic, theme: str) -> Any:
    """The chart of a statistic."""
    return CHARTS[statistic.name](statistic, theme)


def _both_sides(statistic: Statistic, theme: str) -> Any:
    """A bar per row: training crops, then test crops."""
    alt, name = altair(), statistic.keys[0]
    values = [
        {name: row[name], "kind": side, "crops": row[side], "place": place}
        for row in statistic.rows
        for place, side in enumerate(SIDES)
    ]
    return (
        alt.Chart(_data(values))
        .mark_bar()
        .encode(
            x=alt.X("crops:Q", title="crops", axis=alt.Axis(format="d", tickMinStep=1)),
            y=_rows(statistic),
            color=_colour("kind", SIDES, theme),
            order=alt.Order("place:Q"),
        )
        .properties(width=WIDTH, height=alt.Step(STEP))
    )


def _voxels(statistic: Statistic, theme: str) -> Any:
    alt = altair()
    scale = alt.Scale(type="log", zero=False)
    return (
        alt.Chart(_data(statistic.rows))
        .mark_circle(size=45, opacity=1, color=SERIES[theme][0])
        .encode(
            x=alt.X(
                "voxels:Q", scale=scale, title="voxels annotated", axis=alt.Axis(format="~s", tickCount=5)
            ),
            y=_rows(statistic),
        )
        .properties(width=WIDTH, height=alt.Step(STEP))
    )


def _grid(statistic: Statistic, theme: str) -> Any:
    """Every class in every dataset."""
    alt = altair()
    datasets = list(statistic.keys[1:])
    values = [
        {"class": row["class"], "dataset": name, "crops": row[name]}
        for row in statistic.rows
        for name in datasets
        if row[name]
    ]
    shades = alt.Scale(range=list(SHADES[theme]), type="sqrt")
    counts = [n for row in statistic.rows for name in datasets if isinstance(n := row[name], int)]
    legend = alt.Legend(format="d", values=_whole_steps(max(counts, default=0)))
    return (
        alt.Chart(_data(values))
        .mark_rect()
        .encode(
            x=alt.X("dataset:N", sort=datasets, title=None, axis=alt.Axis(labelAngle=-90, orient="top")),
            y=_rows(statistic),
            color=alt.Color("crops:Q", scale=shades, title="training crops", legend=legend),
        )
        .properties(width=alt.Step(24), height=alt.Step(STEP))
    )


def _sizes(statistic: Statistic, theme: str) -> Any:
    alt = altair()
    axes = ("z", "in the plane")
    values = [
        {"dataset": row["dataset"], "axis": axis, "nm": row[key], "crops": row["crops"]}
        for row in statistic.rows
        for axis, key in zip(axes, ("z nm", "x nm"), strict=True)
    ]
    scale = alt.Scale(type="log", base=2, nice=False, padding=15)
    return (
        alt.Chart(_data(values))
        .mark_point(filled=True, opacity=0.85)
        .encode(
            x=alt.X("nm:Q", scale=scale, title="voxel size of the labels, nm"),
            y=alt.Y("dataset:N", sort=_distinct(statistic, "dataset"), title=None),
            yOffset=alt.YOffset("axis:N", sort=list(axes)),
            color=_colour("axis", axes, theme),
            shape=_shape("axis", axes),
            size=alt.Size("crops:Q", scale=alt.Scale(range=[20, 200]), legend=None),
        )
        .properties(width=WIDTH, height=alt.Step(11))
    )


def _volumes(statistic: Statistic, theme: str) -> Any:
    alt = altair()
    values = [
        {"dataset": row["dataset"], "split": row["split"], "volume": row["volume µm³"]}
        for row in statistic.rows
    ]
    sides = ("train", "test")
    return (
        alt.Chart(_data(values))
        .mark_point(filled=True, size=40, opacity=0.75)
        .encode(
            x=alt.X(
                "volume:Q",
                scale=alt.Scale(type="log"),
                title="volume of the crop, µm³",
                axis=alt.Axis(format="~g", values=[10.0**n for n in range(-4, 9)]),
            ),
            y=alt.Y("dataset:N", sort=_distinct(statistic, "dataset"), title=None),
            yOffset=alt.YOffset("split:N", sort=list(sides)),
            color=_colour("split", sides, theme),
            shape=_shape("split", sides),
        )
        .properties(width=WIDTH, height=alt.Step(11))
    )


CHARTS: Mapping[str, Callable[[Statistic, str], Any]] = {
    "crops-per-class": _both_sides,
    "crops-per-dataset": _both_sides,
    "classes-by-dataset": _grid,
    "voxels-per-class": _voxels,
    "voxel-sizes": _sizes,
    "crop-sizes": _volumes,
}


def _data(values: Sequence[Row]) -> Any:
    return altair().Data(values=list(values))


def _rows(statistic: Statistic) -> Any:
    name = statistic.keys[0]
    return altair().Y(f"{name}:N", sort=_distinct(statistic, name), title=None)


def _whole_steps(most: int) -> list[int]:
    """Up to five numbers from 1 to `most`, for a legend that counts."""
    return sorted({1 + (most - 1) * n // 4 for n in range(5)}) if most else []


def _distinct(statistic: Statistic, key: str) -> list[object]:
    return list(dict.fromkeys(row[key] for row in statistic.rows))


def _colour(key: str, names: Sequence[str], theme: str) -> Any:
    alt = altair()
    scale = alt.Scale(domain=list(names), range=list(SERIES[theme][: len(names)]))
    return alt.Color(f"{key}:N", scale=scale, title=None, legend=alt.Legend(orient="top"))


def _shape(key: str, names: Sequence[str]) -> Any:
    """Drawn in the same legend as the colour."""
    alt = altair()
    scale = alt.Scale(domain=list(names), range=["circle", "diamond"])
    return alt.Shape(f"{key}:N", scale=scale, title=None, legend=alt.Legend(orient="top"))
