"""One family of exceptions; every message says what, where, and what to do next.

::

    OrganelleError
    ├── NotFound                a name or path that is not there; nearest names offered
    │   ├── ClassNotFound
    │   ├── CropNotFound
    │   ├── DatasetNotFound
    │   └── FileMissing         a file, folder or array
    ├── TransferError           a source that cannot be reached, or did not give everything
    ├── OutputExists            an existing result is never overwritten unasked
    ├── SettingsError           a TOML or option that cannot be used
    ├── CatalogError            a table of datasets or crops that contradicts itself
    ├── FormatError             a stored volume that cannot be read as what it claims to be
    │   └── ChunkError          one chunk that is truncated or corrupt
    ├── LedgerError             a ledger of blocks that is damaged, locked, or belongs to another job
    │   └── LedgerGone          somebody removed it meanwhile, as one does who has seen that all is done
    ├── WorkError               blocks that cannot be worked through: each one fails, or each worker dies
    ├── RecipeError             a recipe that cannot be followed: its parts do not fit, or it makes specks
    ├── GridMismatch            voxel sizes, shapes or places that do not fit together
    ├── EMMissing               a crop whose electron microscopy is not (completely) here
    ├── TrainingError           a training run that went wrong: its loss is no number
    ├── CheckpointError         a checkpoint that is damaged or belongs to another network
    ├── SubmissionError         a submission that cannot be read or written
    ├── ScoringError            truth that cannot be scored
    └── MissingExtra            an optional dependency that is not installed
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType


class OrganelleError(Exception):
    """Base of the family: `csc` prints it without a traceback and exits with status 1."""


class NotFound(OrganelleError):
    """Something was asked for by a name that is not known."""


class ClassNotFound(NotFound):
    """An organelle class that is not in the table of classes."""


class CropNotFound(NotFound):
    """A crop number that is not in the catalog."""


class DatasetNotFound(NotFound):
    """A dataset that is not in the catalog."""


class FileMissing(NotFound):
    """A file, folder or stored array that is not there."""


class TransferError(OrganelleError):
    """A source of data that cannot be reached, or did not give everything that was asked for."""


class OutputExists(OrganelleError):
    """An output that is already there and was not to be overwritten."""


class SettingsError(OrganelleError):
    """An experiment file or option that cannot be used."""


class CatalogError(OrganelleError):
    """Tables that are incomplete or contradict themselves."""


class FormatError(OrganelleError):
    """A stored volume that is not what its metadata claims."""


class ChunkError(FormatError):
    """One chunk that cannot be decoded."""


class LedgerError(OrganelleError):
    """A ledger of blocks that is damaged, locked for too long, or belongs to another job."""


class LedgerGone(LedgerError):
    """A ledger that was removed while it was in use: by hand, or by somebody who saw that all is done."""


class WorkError(OrganelleError):
    """Blocks that cannot be worked through, because each one fails or each worker dies."""


class RecipeError(OrganelleError):
    """A recipe that cannot be followed: a part gets what it does not take, or makes nothing but specks."""


class GridMismatch(OrganelleError):
    """Voxel sizes, shapes or places that do not fit together."""


class EMMissing(OrganelleError):
    """A crop without the electron microscopy that a stage needs."""


class TrainingError(OrganelleError):
    """A training run that cannot go on, because its numbers are none any more."""


class CheckpointError(OrganelleError):
    """A checkpoint that is damaged or was made for something else."""


class SubmissionError(OrganelleError):
    """A submission that cannot be read or written."""


class ScoringError(OrganelleError):
    """Truth or prediction that cannot be scored."""


class MissingExtra(OrganelleError):
    """An optional dependency that is not installed."""


def did_you_mean(name: object, known: Iterable[object], *, most: int = 3) -> str:
    """`"; nearest: 'mito', 'mito_mem'"`, or an empty string when nothing is near or `known` is empty.

    Numbers are compared by value, names by spelling in lower case.
    """
    options = list(known)
    if isinstance(name, int) and options and all(isinstance(o, int) for o in options):
        near: list[object] = sorted(options, key=lambda o: abs(o - name))[:most]  # type: ignore[operator]
    else:
        texts = {str(o).casefold(): o for o in options}
        near = [texts[t] for t in difflib.get_close_matches(str(name).casefold(), texts, n=most, cutoff=0.5)]
    return "; nearest: " + ", ".join(str(n) for n in near) if near else ""


def printable(text: str, *, most: int = 1000) -> str:
    """`text` as it may be shown in a terminal or page: short, and without a letter that cannot be seen.

    Names from a stranger's file can hold codes that steer a terminal, turn the direction of reading or break
    the line; such letters are written as their numbers. Beyond `most` letters the middle is left out.
    """
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def require_folder(path: Path | str, what: str) -> Path:
    """`path` as an existing folder, else `FileMissing` that names `what` it should have been."""
    folder = Path(path)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        siblings = [p.name for p in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise FileMissing(
            f"{what}: expected a folder at {folder}, found {found}{did_you_mean(folder.name, siblings)}"
        )
    return folder


def require_installed(names: Iterable[str], extra: str) -> None:
    """Raise `MissingExtra` unless all these modules are installed; none of them is imported."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise _missing(name, extra)


def require_module(name: str, extra: str) -> ModuleType:
    """Import `name`, else `MissingExtra` with the line that installs it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != name.split(".")[0]:
            raise
        raise _missing(name, extra) from error


def _missing(name: str, extra: str) -> MissingExtra:
    return MissingExtra(
        f"{name} is not installed, and this needs it; install it with: pip install 'organelle[{extra}]'"
    )
