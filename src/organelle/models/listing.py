"""The built-in networks as a list: how large they are, how far they look, what they may be told."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from organelle.errors import require_module
from organelle.models.architectures import Architecture
from organelle.models.registry import architecture, dimensions_of, network_names, options_of
from organelle.settings import key_docs


@dataclass(frozen=True)
class Option:
    """An option of a network.

    Attributes:
        name: as in `options` of `[model]`.
        kind: what it takes, in words.
        default: as in TOML.
        meaning: what it does.
    """

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True)
class NetworkDescription:
    """A built-in network with its default options, for one class.

    Attributes:
        name: as in `network` of `[model]`.
        dimensions: 2 or 3.
        parameters: numbers that are learned.
        receptive_field: voxels per axis that can change the answer at one voxel, norms aside, measured as
            `organelle.models.receptive_field` says; None beyond its limit.
        divisor: what patch sizes must be multiples of, per axis.
        summary: what it is.
    """

    name: str
    dimensions: int
    parameters: int
    receptive_field: tuple[int | None, ...]
    divisor: tuple[int, ...]
    summary: str

    def row(self) -> dict[str, Any]:
        """As plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def list_networks() -> tuple[NetworkDescription, ...]:
    """All built-in networks with their default options; a few seconds of computing.

    Raises:
        MissingExtra: torch or monai is not installed.
    """
    return tuple(describe_network(name) for name in network_names())


def describe_network(name: str) -> NetworkDescription:
    """One built-in network.

    Raises:
        NotFound: no built-in network has that name; nearest names offered.
        MissingExtra: torch or monai is not installed.
    """
    kind = options_of(name)
    torch = require_module("torch", "train")
    require_module("monai", "train")
    from organelle.models.receptive_field import receptive_field

    dimensions = dimensions_of(name) or 3
    network = architecture(name, {})
    with torch.random.fork_rng(devices=[]):
        parameters = sum(p.numel() for p in network.build(dimensions, 1).parameters())
        if kind.axes_alike:  # then a plane shows as much as a volume, in a hundredth of the time
            reach = _reach_in_a_plane(kind) * dimensions
        else:
            reach = receptive_field(network.build(dimensions, 1), network.divisor(dimensions))
    return NetworkDescription(
        name, dimensions, parameters, reach, network.divisor(dimensions), _summary(kind)
    )


def network_options(name: str) -> tuple[Option, ...]:
    """The options of a built-in network, in the order in which they are best read.

    Raises:
        NotFound: no built-in network has that name; nearest names offered.
    """
    fields = options_of(name).model_fields
    own, docs = options_of(name).__annotations__, key_docs(options_of(name))
    order = [key for key in fields if key in own] + [key for key in fields if key not in own]
    return tuple(
        Option(
            key,
            _kind(fields[key].annotation),
            _as_toml(fields[key].get_default(call_default_factory=True)),
            docs.get(key, ""),
        )
        for key in order
    )


def network_summary(name: str) -> str:
    """What a built-in network is, in a paragraph or two."""
    return inspect.getdoc(options_of(name)) or ""


@cache
def _reach_in_a_plane(kind: type[Architecture]) -> tuple[int | None]:
    """How far a network looks along any of its axes, which it asks for in 2D and in 3D."""
    from organelle.models.receptive_field import receptive_field

    network = kind()
    (reach,) = receptive_field(network.build(2, 1), network.divisor(2), axes=(0,))
    return (reach,)


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n")[0]


def _kind(annotation: Any) -> str:
    """A type in words."""
    if get_origin(annotation) is Literal:
        return " or ".join(json.dumps(choice) for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        parts = get_args(annotation)
        return f"list of {'lists' if get_origin(parts[0]) is tuple else _kind(parts[0]) + 's'}"
    words = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return words.get(annotation, str(annotation))


def _as_toml(value: Any) -> str:
    return json.dumps(value)  # tuples become lists; text, numbers and truth are written alike
