"""What every part of a recipe is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import AfterValidator

from organelle.classes import class_named
from organelle.errors import OrganelleError
from organelle.process.layers import Layer
from organelle.process.site import Site
from organelle.settings import Settings

Content = Literal["probabilities", "mask", "labels"]
"""What a layer holds."""


class RecipePart(Protocol):
    """What an own part must be: made with its options as keywords, it turns a layer into another.

    It may also have `reads` and `uses`, as `Part` has them.
    """

    def apply(self, layer: Layer, site: Site) -> Layer:
        """The next layer, of the same shape: what it holds may not depend on how the site is cut."""
        ...


class Part(Settings):
    """One step of a recipe: a table of parameters, and what they do to a layer.

    Subclasses have a field `part: Literal[NAME] = NAME`. A parameter that `csc tune` may search carries its
    range: `Field(..., json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}})`, and for
    switches and choices `{"tune": {"choices": [...]}}`.
    """

    takes: ClassVar[tuple[Content, ...]]
    """What the layer before may hold."""
    gives: ClassVar[Content | None] = None
    """What the layer after holds; None: the same as before."""
    part: str

    @property
    def reads(self) -> tuple[str, ...]:
        """Classes, other than the recipe's own, whose probabilities are needed."""
        return ()

    @property
    def uses(self) -> tuple[str, ...]:
        """Classes whose finished objects or mask are needed: these are processed first."""
        return ()

    def check(self, class_name: str) -> None:
        """Raise `SettingsError` if the part makes no sense in the recipe of a class."""

    @abstractmethod
    def apply(self, layer: Layer, site: Site) -> Layer:
        """The next layer, of the same shape."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(class_named(name).name for name in names)
    except OrganelleError as error:
        raise ValueError(str(error)) from None


ClassName = Annotated[str, AfterValidator(lambda name: _known((name,))[0])]
"""The name of a class of the table."""
ClassNames = Annotated[tuple[str, ...], AfterValidator(_known)]
"""Names of classes of the table."""


def content_of(layer: Layer) -> Content:
    """What a layer holds, by its type."""
    return "mask" if layer.is_mask else "labels" if layer.is_labels else "probabilities"
