"""A submission (or a truth store of the same form): crops, classes and their arrays, read in place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from organelle.errors import SubmissionError
from organelle.submission.limits import Limits
from organelle.submission.problems import Problem, ProblemError
from organelle.submission.stored import SubmittedArray, read_node
from organelle.submission.tree import Tree, open_tree

CLASS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
MASK = "_mask"
NESTING = 4
"""How many folders deep a `*.zarr` is looked for."""

_CROP = re.compile(r"(?:crop)?(0|[1-9][0-9]{0,8})", re.ASCII)


class Submission:
    """Crops and classes of one zarr-2 hierarchy; use it in a `with` statement.

    `root` is the folder inside the archive that holds the crops (`""` or ending with `/`).
    """

    def __init__(self, tree: Tree, root: str, limits: Limits, expected: Collection[int] = ()) -> None:
        self.tree = tree
        self.root = root
        self.limits = limits
        folders = tree.children(root)[0]
        prefixed = set(_numbers([name for name in folders if name.startswith("crop")]))
        plain = set(_numbers([name for name in folders if name.isdigit()]))
        self.prefix = "crop" if prefixed & set(expected or prefixed) or not plain else ""
        self._crops = tuple(sorted(prefixed if self.prefix else plain))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The zip or folder."""
        return self.tree.path

    def close(self) -> None:
        """Let go of the file; arrays cannot be read after that."""
        self.tree.close()

    def crops(self) -> tuple[int, ...]:
        """Numbers of the crop folders, sorted."""
        return self._crops

    def folder(self, crop: int) -> str:
        """Name of a crop's folder inside the archive, whether it is there or not."""
        return f"{self.root}{self.prefix}{int(crop)}/"

    def classes(self, crop: int) -> tuple[str, ...]:
        """Names of the class folders of a crop, sorted; `X_mask` beside `X` is a mask and not a class."""
        names = [n for n in self.tree.children(self.folder(crop))[0] if CLASS_NAME.fullmatch(n)]
        masks = {f"{n}{MASK}" for n in names}
        return tuple(n for n in names if n not in masks)

    def names(self) -> tuple[tuple[int, str], ...]:
        """Every (crop, class) pair that has a folder."""
        return tuple((crop, name) for crop in self.crops() for name in self.classes(crop))

    def has(self, crop: int, class_name: str) -> bool:
        """Whether something stands there, even if its metadata cannot be used."""
        try:
            return self.array(crop, class_name) is not None
        except ProblemError:
            return True

    def array(self, crop: int, class_name: str) -> SubmittedArray | None:
        """The volume of one crop and class, or None when it was not submitted. No voxel is read yet.

        Raises:
            ProblemError: it is there, but its metadata cannot be used.
        """
        if not CLASS_NAME.fullmatch(class_name):
            return None
        return read_node(self.tree, f"{self.folder(crop)}{class_name}/", self.limits)

    def mask(self, crop: int, class_name: str) -> SubmittedArray | None:
        """The array `{class}_mask` beside a class of a truth store, or None."""
        return self.array(crop, f"{class_name}{MASK}")


def open_submission(
    path: Path | str, *, expected: Collection[int] = (), limits: Limits | None = None
) -> Submission:
    """Open the zarr-2 hierarchy in a zip (read in place, never extracted) or folder.

    The crops may lie at the top or inside one `*.zarr` folder. Crop folders are named `cropN`; where none of
    the `expected` crops (default: no crop at all) is found under that name, plain `N` is taken instead.

    Raises:
        FileMissing: nothing at `path`.
        SubmissionError: not a zip, truncated, beyond `limits`, with duplicate or overlapping members,
            without crops, or with several `*.zarr` folders.
    """
    limits = limits or Limits()
    tree = _open(path, limits)
    try:
        if tree.problems:
            raise SubmissionError(f"{path}: {'; '.join(map(str, tree.problems[:3]))}")
        return Submission(tree, find_root(tree), limits, expected)
    except ProblemError as error:
        tree.close()
        raise SubmissionError(f"{path}: {error}") from error
    except BaseException:
        tree.close()
        raise


def open_stored(path: Path | str, *, limits: Limits | None = None) -> SubmittedArray:
    """The single array or multiscale group that stands at the top of a folder or zip.

    Raises:
        FileMissing: nothing at `path`.
        SubmissionError: no array there.
    """
    limits = limits or Limits()
    node = read_node(_open(path, limits), "", limits)
    if node is None:
        raise SubmissionError(f"{path} holds no zarr-2 array at its top: no .zarray, no levels")
    return node


def _open(path: Path | str, limits: Limits) -> Tree:
    try:
        return open_tree(path, limits)
    except ProblemError as error:
        raise SubmissionError(f"{path}: {error}") from error


def find_root(tree: Tree) -> str:
    """The folder that holds the crops: the top, else the only `*.zarr` folder.

    Raises:
        ProblemError: neither; says where crops lie instead, if anywhere.
    """
    if holds_crops(tree, ""):
        return ""
    stores = list(_folders(tree, "", NESTING, ".zarr"))
    if len(stores) == 1:
        return stores[0]
    expected = "crop folders (crop1, crop2, ...) at the top or in one *.zarr folder"
    remedy = "Pack with csc pack-results, or zip the inside of the zarr folder."
    if stores:
        found = f"{len(stores)} zarr folders ({', '.join(stores[:4])})"
        raise ProblemError(Problem("several-hierarchies", ".", found, expected, remedy))
    lost = next((f for f in _folders(tree, "", NESTING) if holds_crops(tree, f)), None)
    if lost:
        raise ProblemError(Problem("wrong-nesting", ".", f"crop folders in {lost}", expected, remedy))
    raise ProblemError(_no_crops(tree, expected, remedy))


def holds_crops(tree: Tree, folder: str) -> bool:
    """Whether a folder has a subfolder named like a crop."""
    return any(map(is_crop_folder, tree.children(folder)[0]))


def is_crop_folder(name: str) -> bool:
    """Whether a name is `cropN` or `N`, without leading zeros."""
    return _CROP.fullmatch(name) is not None


def _numbers(names: Collection[str]) -> list[int]:
    return [int(m[1]) for m in map(_CROP.fullmatch, names) if m]


def _folders(tree: Tree, folder: str, depth: int, wanted: str = "") -> Iterator[str]:
    """Folders below `folder` whose names end with `wanted`; nothing is looked for inside of those."""
    for name in tree.children(folder)[0] if depth else ():
        inner = f"{folder}{name}/"
        if name.endswith(wanted):
            yield inner
        if not wanted or not name.endswith(wanted):
            yield from _folders(tree, inner, depth - 1, wanted)


def _no_crops(tree: Tree, expected: str, remedy: str) -> Problem:
    """What lies there in the place of crops: another zip, a single array or class folders are named."""
    folders, files = tree.children("")
    what = "folder" if tree.path.is_dir() else "zip"
    found, code = ", ".join(_first_names(tree)) or f"nothing: the {what} is empty", "no-crops"
    inner = [name for name in files if name.lower().endswith(".zip")]
    if len(inner) == 1 and not folders:
        code, found = "zip-inside", f"a {what} that holds another zip, {inner[0]}"
        remedy = f"Hand in {inner[0]} itself{'' if what == 'folder' else ': unpack the outer zip once'}."
    elif is_crop_folder(tree.path.resolve().name):
        found, remedy = "the folder of a single crop", "Name the folder that it lies in."
    elif ".zarray" in files:
        code, found = "lone-array", "one zarr array, not a hierarchy of crops"
        remedy = "Put it at crop{N}/{class} of a zarr group, or pack with csc pack-results."
    elif "zarr.json" in files:
        code, found = "zarr-3", "zarr.json (zarr format 3)"
        remedy = "Write zarr format 2: the evaluator's zarr is 2.18. csc pack-results does."
    return Problem(code, ".", found, expected, remedy)


def _first_names(tree: Tree) -> list[str]:
    folders, files = tree.children("")
    return [repr(n) for n in (*(f"{f}/" for f in folders), *files)][:4]
