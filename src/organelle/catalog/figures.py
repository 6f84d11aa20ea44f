"""What exists, in figures: how much is annotated where, how finely, and how large crops are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from organelle.catalog.listing import volume_um3
from organelle.catalog.records import Catalog, Crop
from organelle.classes import sort_classes
from organelle.errors import CatalogError, require_module
from organelle.files import refuse_existing, whole

BLUE, ORANGE = "#0072b2", "#d55e00"
"""Two colours that people of every colour vision tell apart (Okabe and Ito 2008)."""

STYLE = {"font.size": 7, "svg.hashsalt": "organelle", "svg.fonttype": "path", "axes.axisbelow": True}

Table = Mapping[tuple[str, str], int]
"""(class, dataset) -> crops, or voxels."""


def draw_figures(catalog: Catalog, folder: Path | str, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Draw every figure into `folder`, as PNG and SVG; returns the files.

    The same catalog gives the same bytes. Classes and datasets without a training crop are left out of the
    figures of annotation; voxels are those of the labels of whole crops, whatever they hold.

    Raises:
        MissingExtra: matplotlib is not installed.
        CatalogError: the catalog has no training crop.
        OutputExists: a file is there and `overwrite` is false.
    """
    matplotlib = require_module("matplotlib", "view")
    if not catalog.train_crops:
        raise CatalogError(f"the catalog {catalog.name} has no training crop, so there is nothing to draw")
    files = [Path(folder) / f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")]
    for file in files:
        refuse_existing(file, overwrite=overwrite)
    with matplotlib.rc_context(STYLE):
        for name, draw in FIGURES.items():
            _save(draw(catalog), Path(folder), name, overwrite)
    return tuple(files)


def crops_figure(catalog: Catalog) -> Any:
    """Training crops per class, and per dataset."""
    return _totals(_table(catalog, _one), _per_dataset(catalog, _one), "training crops")


def voxels_figure(catalog: Catalog) -> Any:
    """Voxels of the training crops that annotate each class, and of each dataset."""
    return _totals(_table(catalog, _voxels), _per_dataset(catalog, _voxels), "voxels annotated, 1 G = 10⁹")


def crops_map(catalog: Catalog) -> Any:
    """Class by dataset: training crops."""
    return _heat_map(_table(catalog, _one), "training crops", str)


def voxels_map(catalog: Catalog) -> Any:
    """Class by dataset: voxels of the crops that annotate it; the numbers are millions."""
    table = _table(catalog, _voxels)
    return _heat_map(table, "voxels annotated (written: millions)", _millions, log=True)


def voxel_sizes_figure(catalog: Catalog) -> Any:
    """Voxel sizes of the labels per dataset: z, and y and x; larger marks stand for more crops."""
    axes = _rows_of_datasets(catalog, "voxel size of the labels, nm")
    for row, name in enumerate(_named(catalog)):
        sizes = [crop.voxel_size_nm for crop in catalog.crops.values() if crop.dataset == name]
        for axis, colour, marker, lift in ((0, BLUE, "o", -0.15), (1, ORANGE, "D", 0.15)):
            counts = {size[axis]: sum(s[axis] == size[axis] for s in sizes) for size in sizes}
            area = [8 + 2 * n for n in counts.values()]
            axes.scatter(
                list(counts), [row + lift] * len(counts), area, colour, marker=marker, alpha=0.8, lw=0
            )
    _plain_ticks(axes, [1.5, 2, 3, 4, 6, 8, 16, 32, 64, 128])
    _legend(axes, {"z": (BLUE, "o"), "y and x": (ORANGE, "D")})
    return axes.figure


def crop_sizes_figure(catalog: Catalog) -> Any:
    """Volumes of training and test crops per dataset; logarithmic."""
    axes = _rows_of_datasets(catalog, "volume of the crop, µm³")
    for row, name in enumerate(_named(catalog)):
        for is_test, colour, marker, lift in ((False, BLUE, "o", -0.15), (True, ORANGE, "D", 0.15)):
            crops = [c for c in catalog.crops.values() if c.dataset == name and c.is_test is is_test]
            heights = [row + lift] * len(crops)
            axes.scatter([volume_um3(c) for c in crops], heights, 14, colour, marker=marker, alpha=0.65, lw=0)
    axes.xaxis.set_major_formatter("{x:,g}")
    _legend(axes, {"training": (BLUE, "o"), "test": (ORANGE, "D")})
    return axes.figure


FIGURES: Mapping[str, Callable[[Catalog], Any]] = {
    "crops": crops_figure,
    "voxels": voxels_figure,
    "crops-map": crops_map,
    "voxels-map": voxels_map,
    "voxel-sizes": voxel_sizes_figure,
    "crop-sizes": crop_sizes_figure,
}


def _save(figure: Any, folder: Path, name: str, overwrite: bool) -> None:
    for kind, facts in (("png", {"Software": None}), ("svg", {"Date": None})):
        with whole(folder / f"{name}.{kind}", overwrite=overwrite) as part:
            figure.savefig(part, dpi=200, metadata=facts, bbox_inches="tight")


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def _one(crop: Crop) -> int:  # noqa: ARG001
    return 1


def _voxels(crop: Crop) -> int:
    return math.prod(crop.grid.shape)


def _millions(voxels: int) -> str:
    return f"{voxels / 1e6:.0f}" if voxels >= 10e6 else f"{voxels / 1e6:.2g}"


def _table(catalog: Catalog, worth: Callable[[Crop], int]) -> dict[tuple[str, str], int]:
    crops = catalog.train_crops.values()
    table = {
        (name, dataset): 0
        for name in sort_classes(name for crop in crops for name in crop.classes)
        for dataset in sorted({crop.dataset for crop in crops})
    }
    for crop in crops:
        for name in crop.classes:
            table[name, crop.dataset] += worth(crop)
    return table


def _per_dataset(catalog: Catalog, worth: Callable[[Crop], int]) -> dict[str, int]:
    crops = catalog.train_crops.values()
    return {name: sum(worth(c) for c in crops if c.dataset == name) for name in {c.dataset for c in crops}}


def _totals(table: Table, datasets: Mapping[str, int], unit: str) -> Any:
    classes: dict[str, int] = {}
    for (name, _), count in table.items():
        classes[name] = classes.get(name, 0) + count
    rows = max(len(classes), len(datasets))
    figure, panels = _figure(7.2, 1 + 0.14 * rows, 2)
    for axes, title, totals in ((panels[0], "class", classes), (panels[1], "dataset", datasets)):
        ordered = sorted(totals.items(), key=lambda item: (item[1], item[0]))
        log = ordered[-1][1] > 100 * ordered[0][1]
        axes.hlines(range(len(ordered)), 1 if log else 0, [n for _, n in ordered], BLUE, lw=1)
        axes.scatter([n for _, n in ordered], range(len(ordered)), 12, BLUE)
        axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
        axes.set(
            title=f"per {title}",
            xlabel=f"{unit} (logarithmic)" if log else unit,
            ylim=(-0.7, len(ordered) - 0.3),
        )
        if log:
            axes.set_xscale("log")
            axes.set_xlim(min(n for _, n in ordered) / 2, max(n for _, n in ordered) * 2)
        else:
            axes.set_xlim(0, max(n for _, n in ordered) * 1.05)
        axes.xaxis.set_major_formatter(_short_numbers())
        axes.grid(axis="x", color="#dddddd", lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _heat_map(table: Table, unit: str, write: Callable[[int], str], *, log: bool = False) -> Any:
    from matplotlib.colors import LogNorm, PowerNorm

    classes, datasets = ([*dict.fromkeys(key[axis] for key in table)] for axis in (0, 1))
    values = [[table[name, dataset] or math.nan for dataset in datasets] for name in classes]
    most = max(table.values())
    norm = LogNorm(min(n for n in table.values() if n), most * 1.01) if log else PowerNorm(0.5, 0, most)
    figure, axes = _figure(1.6 + 0.27 * len(datasets), 1.6 + 0.15 * len(classes))
    image = axes.imshow(values, cmap=_light_blues(), norm=norm, aspect="auto")
    axes.set_xticks(range(len(datasets)), datasets, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(length=0)
    for (name, dataset), count in table.items():
        place = (datasets.index(dataset), classes.index(name))
        axes.text(*place, write(count) if count else "·", ha="center", va="center", size=5.2)
    figure.colorbar(image, label=unit, shrink=0.4, aspect=25, pad=0.01, format=_short_numbers())
    return figure


def _light_blues() -> Any:
    """From white to a blue on which black is read well on paper, in grey too (contrast 6 to 1 or better)."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["Blues"]([0.02 + 0.6 * i / 255 for i in range(256)]))


def _short_numbers() -> Any:
    """Writes 10000000000 as 10 G."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep=" ")


def _named(catalog: Catalog) -> list[str]:
    """Datasets with crops; the first of the alphabet comes last, and so stands on top."""
    return sorted({crop.dataset for crop in catalog.crops.values()}, reverse=True)


def _rows_of_datasets(catalog: Catalog, label: str) -> Any:
    names = _named(catalog)
    _, axes = _figure(7.2, 1 + 0.2 * len(names))
    axes.set_yticks(range(len(names)), names)
    axes.set(xscale="log", xlabel=label, ylim=(-0.7, len(names) - 0.3))
    axes.grid(color="#dddddd", lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _plain_ticks(axes: Any, places: Iterable[float]) -> None:
    """Marks at `places` within the data, written as plain numbers."""
    low, high = axes.get_xlim()
    inside = [place for place in places if low <= place <= high]
    axes.set_xticks(inside, [f"{place:g}" for place in inside])
    axes.set_xticks([], minor=True)


def _legend(axes: Any, entries: Mapping[str, tuple[str, str]]) -> None:
    for name, (colour, marker) in entries.items():
        axes.scatter([], [], 20, colour, marker=marker, label=name, lw=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(entries), frameon=False)
