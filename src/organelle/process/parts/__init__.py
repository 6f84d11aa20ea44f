"""The parts that recipes are made of, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from organelle.errors import SettingsError, did_you_mean
from organelle.process.parts.base import Content, Part, RecipePart, content_of
from organelle.process.parts.coarse import JoinParts
from organelle.process.parts.holes import CloseGaps, FillHoles
from organelle.process.parts.mutex import MutexWatershed
from organelle.process.parts.others import Compete, Consistent, Restrict, Subtract, Union
from organelle.process.parts.own import OwnPart
from organelle.process.parts.pieces import Components, KeepLargest, MaxVolume, MinVolume, Renumber
from organelle.process.parts.smooth import Smooth
from organelle.process.parts.split import Split
from organelle.process.parts.threshold import Hysteresis, Threshold
from organelle.process.parts.tubes import Tubes
from organelle.process.parts.watershed import Watershed
from organelle.process.parts.whole import Grow, Vote
from organelle.settings import parse_settings

__all__ = [
    "PARTS",
    "CloseGaps",
    "Compete",
    "Components",
    "Consistent",
    "Content",
    "FillHoles",
    "Grow",
    "Hysteresis",
    "JoinParts",
    "KeepLargest",
    "MaxVolume",
    "MinVolume",
    "MutexWatershed",
    "OwnPart",
    "Part",
    "RecipePart",
    "Renumber",
    "Restrict",
    "Smooth",
    "Split",
    "Subtract",
    "Threshold",
    "Tubes",
    "Union",
    "Vote",
    "Watershed",
    "content_of",
    "make_part",
]

_KINDS: tuple[type[Part], ...] = (
    Smooth,
    Union,
    Consistent,
    Compete,
    Threshold,
    Hysteresis,
    Subtract,
    Restrict,
    CloseGaps,
    Components,
    Split,
    Watershed,
    MutexWatershed,
    Tubes,
    JoinParts,
    FillHoles,
    MinVolume,
    MaxVolume,
    KeepLargest,
    Grow,
    Vote,
    Renumber,
)
PARTS: Mapping[str, type[Part]] = {str(kind.model_fields["part"].default): kind for kind in _KINDS}
"""Every built-in part by its name, in the order in which they are usually applied."""


def make_part(table: Any) -> Part:
    """The part of a table `{part = NAME, ...}`: a built-in one, or an own one by import path.

    Raises:
        SettingsError: no such part, or keys that it does not take; the nearest are named.
        NotFound: an import path that leads nowhere.
    """
    if isinstance(table, Part):
        return table
    if not isinstance(table, Mapping) or not isinstance(table.get("part"), str):
        raise SettingsError(f'a part is a table that says which: part = "threshold"; not {table!r}')
    name, options = table["part"], {key: value for key, value in table.items() if key != "part"}
    if ":" in name:
        return OwnPart(part=name, options=options)
    if name not in PARTS:
        raise SettingsError(
            f"there is no part {name!r}{did_you_mean(name, PARTS)}; built in are {', '.join(PARTS)}; own "
            'ones are named by import path, "package.module:Name"'
        )
    return parse_settings(PARTS[name], options, name)
