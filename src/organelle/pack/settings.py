"""The sections [pack] and [assemble] of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from organelle.classes import all_classes
from organelle.errors import did_you_mean
from organelle.settings import Settings, parse_settings, read_toml
from organelle.submission.zarr_zip import CHUNK_VOXELS, COMPRESSION_LEVEL

ZEROS = "zeros"
"""Stands in `[assemble]` in place of a work folder: nobody predicted it, and that is meant."""


class PackSettings(Settings):
    """How the submission is stored."""

    chunk_voxels: int = Field(default=CHUNK_VOXELS, ge=32, le=512)
    """Edge of a chunk: 128 makes 54,000 files of the challenge's 413 rows, 64 would make 386,000."""
    compression_level: int = Field(default=COMPRESSION_LEVEL, ge=1, le=19)
    """Level of zstd, which the evaluator's old reader knows; labels hardly get smaller beyond 5."""


class SourceSettings(Settings):
    """One work folder, for some classes in some crops."""

    work: str
    """Its path, relative to the experiment's file, or `"zeros"`."""
    classes: tuple[str, ...] = ()
    """The classes that are taken from it; empty means all."""
    crops: tuple[int | str, ...] = ()
    """Numbers of test crops or names of datasets; empty means all."""

    @field_validator("classes")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            _require_class(name)
        return names


class AssembleSettings(Settings):
    """Which work folder each row of the submission is taken from.

    A class may stand here by its own name, `mito = "other/work"` or `mito = ["first", "second"]`. A row takes
    the first of its class's folders that holds it; without any, the first of `sources` that is for it and
    holds it; else `default`. A class that is named but found in none of its folders is an error: end the
    list with `"zeros"` where that is meant.
    """

    default: str | None = None
    """The work folder of all other rows, relative to the experiment's file; without it, the command's own."""
    classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The work folders of each class; the same as a key of the class's own name."""
    sources: tuple[SourceSettings, ...] = ()
    """Work folders for several classes, or for some crops only."""

    @model_validator(mode="before")
    @classmethod
    def _gather_classes(cls, values: Any) -> Any:
        """Move the keys that are no settings of their own into `classes`."""
        if not isinstance(values, Mapping):
            return values
        own = {key: value for key, value in values.items() if key in cls.model_fields}
        named = {key: value for key, value in values.items() if key not in cls.model_fields}
        given = own.get("classes", {})
        if not named or not isinstance(given, Mapping):
            return own
        if twice := sorted(named.keys() & given.keys()):
            raise ValueError(f"{twice[0]} is given twice, by its name and in classes")
        return own | {"classes": {**given, **named}}

    @field_validator("classes", mode="before")
    @classmethod
    def _as_lists(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        for name in values:
            _require_class(name, cls.model_fields)
        return {name: (v,) if isinstance(v, str) else v for name, v in values.items()}

    @field_validator("classes")
    @classmethod
    def _not_empty(cls, values: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, folders in values.items():
            if not folders:
                raise ValueError(f'{name} names no work folder; leave it out, or write "{ZEROS}"')
        return values

    def relative_to(self, folder: Path | str) -> Self:
        """The same with all work folders counted from `folder`, where the experiment's file lies."""

        def place(text: str) -> str:
            return text if text == ZEROS else str(Path(folder) / text)

        return self.model_copy(
            update={
                "default": None if self.default is None else place(self.default),
                "classes": {name: tuple(map(place, works)) for name, works in self.classes.items()},
                "sources": tuple(s.model_copy(update={"work": place(s.work)}) for s in self.sources),
            }
        )


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """What an experiment's file says about the submission."""

    pack: PackSettings
    assemble: AssembleSettings


def load_submission_settings(path: Path | str) -> SubmissionSettings:
    """The sections `[pack]` and `[assemble]` of a TOML file; its other sections are not looked at.

    Raises:
        FileMissing: there is no such file.
        SettingsError: all problems of a section at once; an unknown class names the nearest.
    """
    tables = read_toml(path)
    pack = parse_settings(PackSettings, tables.get("pack", {}), f"{path} [pack]")
    assemble = parse_settings(AssembleSettings, tables.get("assemble", {}), f"{path} [assemble]")
    return SubmissionSettings(pack, assemble.relative_to(Path(path).parent))


def _require_class(name: str, beside: Mapping[str, Any] | None = None) -> None:
    """`ValueError` unless `name` is a class; the nearest of the classes, and the keys beside, are told."""
    known = [c.name for c in all_classes()]
    if name not in known:
        kind = "neither a class nor a key of this section" if beside else "no class"
        raise ValueError(f"{name!r} is {kind}{did_you_mean(name, [*known, *(beside or ())])}")
