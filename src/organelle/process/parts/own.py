"""Own parts by import path."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr, model_serializer

from organelle.errors import OrganelleError, RecipeError, SettingsError
from organelle.models import import_named
from organelle.process.layers import Layer
from organelle.process.parts.base import Part, RecipePart
from organelle.process.site import Site
from organelle.settings import Settings, parse_settings


class OwnPart(Part):
    """`part = "package.module:Name"`: `Name` is called with all other keys and makes a `RecipePart`."""

    takes = ("probabilities", "mask", "labels")
    options: dict[str, Any]
    _made: RecipePart = PrivateAttr()

    def model_post_init(self, _: Any) -> None:
        """Import and call it; `OrganelleError` when that is not possible."""
        self._made = _make(self.part, self.options)

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {"part": self.part, **self.options}

    @property
    def reads(self) -> tuple[str, ...]:
        """What it says that it reads."""
        return tuple(getattr(self._made, "reads", ()))

    @property
    def uses(self) -> tuple[str, ...]:
        """What it says that it uses."""
        return tuple(getattr(self._made, "uses", ()))

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Apply it, and check what it gives."""
        result = self._made.apply(layer, site)
        if not isinstance(result, Layer) or result.shape != layer.shape:
            shape = getattr(result, "shape", "")
            raise RecipeError(
                f"{self.part} gave {type(result).__name__} {shape}; a part gives a Layer of {layer.shape}"
            )
        return result


def _make(path: str, options: dict[str, Any]) -> RecipePart:
    maker = import_named(path)
    if isinstance(maker, type) and issubclass(maker, Settings):
        made: Any = parse_settings(maker, options, path)
    elif not callable(maker):
        raise SettingsError(f"{path} is a {type(maker).__name__}; a part is made by calling a class")
    else:
        made = _called(maker, path, options)
    if not callable(getattr(made, "apply", None)):
        raise SettingsError(
            f"{path} makes a {type(made).__name__} without apply(layer, site) -> Layer, which a part has"
        )
    part: RecipePart = made
    return part


def _called(maker: Any, path: str, options: dict[str, Any]) -> Any:
    try:
        return maker(**options)
    except OrganelleError:
        raise
    except Exception as error:
        named = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise SettingsError(f"{path}({named}) fails: {error}") from error
