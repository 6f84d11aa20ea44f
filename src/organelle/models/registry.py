"""The networks by name. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from organelle.errors import NotFound, did_you_mean
from organelle.models.architectures import Architecture
from organelle.models.dynunet import DynUNetOptions
from organelle.models.own import OwnNetwork
from organelle.models.segresnet import SegResNetOptions
from organelle.models.swinunetr import SwinUNETROptions
from organelle.models.unets import ResUNetOptions, UNetOptions
from organelle.settings import parse_settings

_BY_STEM: Mapping[str, type[Architecture]] = {
    "unet": UNetOptions,
    "resunet": ResUNetOptions,
    "dynunet": DynUNetOptions,
    "segresnet": SegResNetOptions,
    "swinunetr": SwinUNETROptions,
}
_KINDS: Mapping[str, tuple[type[Architecture], int]] = {
    f"{stem}_{dimensions}d": (kind, dimensions) for stem, kind in _BY_STEM.items() for dimensions in (3, 2)
}


def network_names() -> tuple[str, ...]:
    """The built-in networks; beside them any `package.module:Name`."""
    return tuple(_KINDS)


def dimensions_of(name: str) -> int | None:
    """2 or 3; None for a network by import path, which takes what it gets."""
    return None if ":" in name else _kind(name)[1]


def options_of(name: str) -> type[Architecture]:
    """The record of the options of a built-in network.

    Raises:
        NotFound: no built-in network has that name; nearest names offered.
    """
    return _kind(name)[0]


def architecture(name: str, options: Mapping[str, Any]) -> Architecture:
    """The network called `name` with checked `options`.

    Raises:
        NotFound: no such name; nearest names offered.
        SettingsError: an option that this network does not have or cannot use.
    """
    if ":" in name:
        return OwnNetwork(path=name, options=dict(options))
    return parse_settings(_kind(name)[0], options, f"options of {name}")


def _kind(name: str) -> tuple[type[Architecture], int]:
    try:
        return _KINDS[name]
    except KeyError:
        raise NotFound(
            f"no network is called {name!r}{did_you_mean(name, _KINDS)}. Built in are {', '.join(_KINDS)}; "
            'an own one is named by import path: "package.module:Name"'
        ) from None
