"""What can be tuned about a recipe: its parameters, their ranges, and recipes with other values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from organelle.errors import OrganelleError
from organelle.models import import_named
from organelle.process import Part, Recipe
from organelle.process.parts import OwnPart
from organelle.process.recipes import FLAT
from organelle.settings import Settings

Point = tuple[Any, ...]
"""A value for each parameter of a space, in their order."""


@dataclass(frozen=True)
class Parameter:
    """A number or a choice in a recipe.

    Attributes:
        name: for people: `threshold`, or with its part `watershed.threshold`.
        part: which of the recipe's parts it belongs to, counted from 0; None: the recipe has none.
        key: its name in the table of the part, or of the class.
        default: its value in the recipe that is tuned.
        low, high, log: the range of a number, and whether its steps are ratios.
        choices: all values, where it is no number.
    """

    name: str
    part: int | None
    key: str
    default: Any
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[Any, ...] = ()

    def at(self, share: float) -> Any:
        """The value at a share of the range, 0 to 1, with three digits."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        share = min(max(share, 0.0), 1.0)
        if self.log:
            return _rounded(self.low * (self.high / self.low) ** share)
        return _rounded(self.low + (self.high - self.low) * share)

    def share(self, value: Any) -> float:
        """Where in its range a value lies, 0 to 1; beyond the range its nearer end."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices) if value in self.choices else 0.0
        bounded = min(max(value, self.low), self.high)
        if self.log:
            return math.log(bounded / self.low) / math.log(self.high / self.low)
        return float((bounded - self.low) / (self.high - self.low))

    def spread(self, count: int) -> tuple[Any, ...]:
        """All choices, or so many values from one end of the range to the other."""
        return self.choices or tuple(self.at(i / max(1, count - 1)) for i in range(count))


@dataclass(frozen=True)
class Space:
    """All that may be changed about the recipe of a class; `parameters` may be empty."""

    class_name: str
    recipe: Recipe
    parameters: tuple[Parameter, ...]

    @property
    def default(self) -> Point:
        """The recipe as it is."""
        return tuple(parameter.default for parameter in self.parameters)

    def changed(self, point: Point) -> tuple[int, ...]:
        """The numbers of the parameters that a point changes."""
        return tuple(i for i, value in enumerate(point) if value != self.parameters[i].default)

    def distance(self, point: Point) -> float:
        """How far from the recipe as it is: shares of the ranges, added up."""
        pairs = zip(self.parameters, point, strict=True)
        return sum(abs(p.share(value) - p.share(p.default)) for p, value in pairs)

    def apply(self, point: Point) -> Recipe | None:
        """The recipe with the values of a point; None if they exclude each other."""
        values = {(p.part, p.key): v for p, v in zip(self.parameters, point, strict=True) if v != p.default}
        if not values:
            return self.recipe
        record = recipe_record(self.recipe)
        for (part, key), value in values.items():
            (record if part is None else record["parts"][part])[key] = value
        try:
            recipe = Recipe.model_validate(record)
            for step in recipe.steps(self.class_name):
                step.check(self.class_name)
        except (ValidationError, OrganelleError):  # `high` below `low`, and the like
            return None
        return recipe


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, of which `Recipe.model_validate` makes the same again."""
    return recipe.model_dump(mode="json", exclude=set(FLAT) if recipe.parts else {"parts"})


def space_of(class_name: str, recipe: Recipe) -> Space:
    """What can be tuned about the recipe of a class.

    Of a recipe without parts the parameters that do nothing are left out. Own parts take part if they are
    settings whose fields carry ranges, like those of the built-in parts.
    """
    if recipe.parts:
        return Space(class_name, recipe, tuple(_of_parts(recipe)))
    used = {key for key in Recipe.model_fields if recipe.minus or key != "minus_threshold"}
    fields = {key: field for key, field in Recipe.model_fields.items() if key in used}
    values = {key: getattr(recipe, key) for key in fields}
    return Space(class_name, recipe, tuple(_parameters(fields, values, None, "")))


def _of_parts(recipe: Recipe) -> Iterator[Parameter]:
    names = [part.part for part in recipe.parts]
    for number, part in enumerate(recipe.parts):
        again = names[:number].count(part.part)
        name = f"{part.part}{again + 1 if again else ''}."
        fields, values = _fields(part)
        yield from _parameters(fields, values, number, name)


def _fields(part: Part) -> tuple[Mapping[str, FieldInfo], dict[str, Any]]:
    """The fields of a part by their keys, and what they are now."""
    if not isinstance(part, OwnPart):
        fields: Mapping[str, FieldInfo] = type(part).model_fields
        return fields, {key: getattr(part, key) for key in fields}
    maker = import_named(part.part)
    fields = maker.model_fields if isinstance(maker, type) and issubclass(maker, Settings) else {}
    return fields, {key: part.options.get(key, field.default) for key, field in fields.items()}


def _parameters(
    fields: Mapping[str, FieldInfo], values: Mapping[str, Any], part: int | None, before: str
) -> Iterator[Parameter]:
    for key, field in fields.items():
        extra = field.json_schema_extra
        told: Any = extra.get("tune") if isinstance(extra, dict) else None
        if not told:
            continue
        name, value = f"{before}{key}", values[key]
        if "choices" in told:
            yield Parameter(name, part, key, value, choices=tuple(told["choices"]))
        else:
            yield Parameter(name, part, key, value, told["low"], told["high"], bool(told.get("log")))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
