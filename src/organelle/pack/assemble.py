"""Which run each row is taken from: exactly one, though several may hold it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from organelle.catalog import Catalog, Crop, processed_path
from organelle.errors import FileMissing, require_folder
from organelle.pack.settings import ZEROS, AssembleSettings

WHAT = "processed volumes (written by csc process)"


@dataclass(frozen=True, slots=True)
class Choice:
    """The run that a row is taken from.

    Attributes:
        work: its work folder, None where nobody predicted the row.
        passed_over: other folders that were asked for it and hold it, too.
        wanted: those that the file names for its class, if it names any.
    """

    work: Path | None
    passed_over: tuple[Path, ...] = ()
    wanted: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether the row's class was named, but none of the folders named holds the row."""
        return self.work is None and bool(self.wanted) and ZEROS not in self.wanted


class Assembly:
    """Chooses a run for every row; made from the section `[assemble]`.

    Raises:
        FileMissing: a work folder that is named, but is none: it holds no folder `processed`.
        NotFound: a crop or dataset of `sources` that is not in the catalog.
    """

    def __init__(self, settings: AssembleSettings, catalog: Catalog, work: Path | str) -> None:
        self.settings = settings
        self.default = Path(settings.default or work)
        self._crops = [
            {crop.id for crop in catalog.select(s.crops)} if s.crops else set(catalog.test_crops)
            for s in settings.sources
        ]
        named = [w for works in settings.classes.values() for w in works]
        named += [source.work for source in settings.sources]
        if settings.default or not named:
            named.append(str(self.default))
        for name in dict.fromkeys(named):
            if name != ZEROS:
                require_folder(Path(name), "work folder")
                require_folder(Path(name) / "processed", WHAT)

    def choose(self, crop: Crop, class_name: str) -> Choice:
        """The first folder that is for this row and holds it."""
        folders, is_named = self._folders(crop, class_name)
        asked = [Path(folder) for folder in takewhile(lambda f: f != ZEROS, dict.fromkeys(folders))]
        holding = [folder for folder in asked if processed_path(folder, crop, class_name).is_dir()]
        return Choice(holding[0] if holding else None, tuple(holding[1:]), tuple(folders) if is_named else ())

    def _folders(self, crop: Crop, class_name: str) -> tuple[tuple[str, ...], bool]:
        """Where to look, in order; and whether the class is named there."""
        if own := self.settings.classes.get(class_name):
            return own, True
        found = [
            source
            for source, crops in zip(self.settings.sources, self._crops, strict=True)
            if crop.id in crops and (class_name in source.classes or not source.classes)
        ]
        folders = tuple(source.work for source in found)
        is_named = any(source.classes for source in found)
        return (folders if is_named else (*folders, str(self.default))), is_named


def require_found(choices: dict[str, Choice]) -> None:
    """Raise `FileMissing` that lists all rows, by name, that none of their folders holds."""
    missing = [
        f"{name}: not in {', '.join(choice.wanted)}" for name, choice in choices.items() if choice.is_missing
    ]
    if missing:
        raise FileMissing(
            "\n".join(missing)
            + "\n[assemble] takes these rows from there: process them there, name another work folder too, "
            f'or end the list with "{ZEROS}" to leave them empty'
        )
