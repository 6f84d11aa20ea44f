"""Folders of numbered TIFF slices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.convert.sources import TIFF_SUFFIXES, Facts, check_numbers
from organelle.convert.tiff import as_plane, decoding, page_size
from organelle.errors import FormatError, require_module
from organelle.geometry import Box
from organelle.progress import track

NUMBER = re.compile(r"(\d+)(?!.*\d)")
"""The last number in a name."""

MOST_NAMED = 10


@dataclass
class SliceFolder:
    """One file per slice."""

    facts: Facts
    slices: tuple[Path, ...]

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`; whole slices are decoded."""
        out = np.empty(box.shape, self.facts.dtype)
        rows, columns = slice(box.start[1], box.stop[1]), slice(box.start[2], box.stop[2])
        for number, z in enumerate(range(box.start[0], box.stop[0])):
            out[number] = self._slice(self.slices[z])[rows, columns]
        return out

    def close(self) -> None:
        """Nothing is kept open."""

    def _slice(self, path: Path) -> NDArray[Any]:
        tifffile = require_module("tifffile", "import")
        with decoding(str(path)), tifffile.TiffFile(path) as file:
            return as_plane(file.pages[0], self.facts.shape[1:], str(path))


def open_slices(path: Path, array: str | None, repeat_missing: bool) -> SliceFolder:
    """The TIFF files of a folder as slices, in the order of the last number in their names."""
    if array is not None:
        raise FormatError(f"{path} is a folder of slices, in which no array can be chosen; leave out --array")
    files = sorted(
        p for p in path.iterdir() if p.suffix.lower() in TIFF_SUFFIXES and not p.name.startswith(".")
    )
    numbered = _numbered(path, files)
    slices, notes = _in_order(path, numbered, repeat_missing=repeat_missing)
    shape, dtype = _common_form(path, [numbered[n] for n in sorted(numbered)])
    tifffile = require_module("tifffile", "import")
    with decoding(str(slices[0])), tifffile.TiffFile(slices[0]) as file:
        size, said = page_size(file, file.pages[0])
    plane = (len(slices), *shape)
    facts = Facts("TIFF", path.name, plane, dtype, (1, *shape), size, said, None, notes, tuple(files))
    return SliceFolder(facts, slices)


def _numbered(path: Path, files: list[Path]) -> dict[int, Path]:
    """The number of each file; an error for names that do not make one stack."""
    found: dict[int, Path] = {}
    stems: dict[str, Path] = {}
    for file in files:
        match = NUMBER.search(file.stem)
        if match is None and len(files) > 1:
            raise FormatError(
                f"{file} has no number in its name, so that its place in the stack is not known"
            )
        number = int(match[1]) if match else 0
        stems.setdefault(file.stem[: match.start()] + "#" + file.stem[match.end() :] if match else "#", file)
        if number in found:
            raise FormatError(
                f"{path}: {found[number].name} and {file.name} have the same number; keep one of them"
            )
        found[number] = file
    if len(stems) > 1:
        names = ", ".join(p.name for p in list(stems.values())[:4])
        raise FormatError(
            f"{path} seems to hold several stacks ({names}, ...); put each into a folder of its own"
        )
    return found


def _in_order(
    path: Path, numbered: Mapping[int, Path], *, repeat_missing: bool
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    low, high = min(numbered), max(numbered)
    count = high - low + 1 - len(numbered)
    if not count:
        return tuple(numbered[n] for n in range(low, high + 1)), ()
    if count > len(numbered):
        raise FormatError(
            f"{path}: {len(numbered)} slices have numbers from {low} to {high}; number them one by one"
        )
    missing = [n for n in range(low, high + 1) if n not in numbered]
    named = ", ".join(map(str, missing[:MOST_NAMED])) + (", ..." if count > MOST_NAMED else "")
    if not repeat_missing:
        raise FormatError(
            f"{path}: {count} of the slices from {low} to {high} are missing: {named}; bring them, or put "
            "the slice before in their place with --repeat-missing"
        )
    slices: list[Path] = []
    for n in range(low, high + 1):
        slices.append(numbered.get(n) or slices[-1])
    return tuple(slices), (f"missing slices are the slice before: {named}",)


def _common_form(path: Path, files: list[Path]) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Shape and type that all slices share; all that differ are told together."""
    tifffile = require_module("tifffile", "import")
    forms: dict[tuple[Any, ...], list[Path]] = {}
    for file in track(files, "looking at slices"):
        with decoding(str(file)), tifffile.TiffFile(file) as opened:
            if len(opened.pages) > 1:
                raise FormatError(
                    f"{file} has {len(opened.pages)} pages, where each file of a folder is one slice; "
                    "import it alone, or keep one page"
                )
            page = opened.pages[0]
            forms.setdefault((page.shape, np.dtype(page.dtype), page.samplesperpixel), []).append(file)
    (shape, dtype, samples), _ = max(forms.items(), key=lambda item: len(item[1]))
    if len(forms) > 1:
        told = "; ".join(
            f"{len(group)} of {' x '.join(map(str, form[0]))} {form[1]} ({_few(group)})"
            for form, group in forms.items()
        )
        raise FormatError(f"{path}: slices differ: {told}; crop or convert them to one form")
    if samples > 1 or len(shape) != 2:
        raise FormatError(f"{path} holds colours ({shape} per slice); make them grey first")
    check_numbers(dtype, str(path))
    return (int(shape[0]), int(shape[1])), dtype.newbyteorder("=")


def _few(files: list[Path]) -> str:
    return ", ".join(p.name for p in files[:3]) + (", ..." if files[3:] else "")
