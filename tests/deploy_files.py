"""What stands in `deploy/`, read as a container engine reads it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
PLACE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\}")


class Unset(KeyError):
    """A variable that must be chosen, and was not."""


def fill(text: str, variables: Mapping[str, str]) -> str:
    """`text` with its `${NAME}`, `${NAME:-otherwise}` and `${NAME:?message}` filled in."""

    def found(match: re.Match[str]) -> str:
        if value := variables.get(match["name"], ""):
            return value
        if match["how"] != ":-":
            raise Unset(match["name"])
        return match["rest"]

    return PLACE.sub(found, text)


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """The same for all texts within `value`."""
    if isinstance(value, dict):
        return {key: filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, variables) for one in value]
    return fill(value, variables) if isinstance(value, str) else value


@dataclass(frozen=True)
class Compose:
    """`compose.yaml`, with these variables."""

    variables: Mapping[str, str]

    @cached_property
    def whole(self) -> dict[str, Any]:
        return filled(yaml.safe_load((DEPLOY / "compose.yaml").read_text()), self.variables)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return self.whole["services"]

    def environment(self, service: str) -> dict[str, str]:
        """Of a service: what the compose file says wins over `.env`, which is made of `env.example`."""
        record = self.services[service]
        given = env_example() | dict(self.variables) if record.get("env_file") else {}
        return {**given, **record.get("environment", {})}

    def mounts(self, service: str) -> dict[str, str]:
        """By path in the container, the volume or folder that is seen there."""
        parts = (text.split(":") for text in self.services[service].get("volumes", ()))
        return {part[1]: part[0] for part in parts}


def env_example() -> dict[str, str]:
    """What `env.example` sets; lines behind a # do not count."""
    lines = (DEPLOY / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def instructions() -> list[tuple[str, str]]:
    """Name and text of each instruction of the Containerfile, with lines that go on joined."""
    lines = [line for line in (DEPLOY / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined if line.strip()]


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    texts = [text for name, text in instructions() if name == "ENV"]
    return dict(word.split("=", 1) for text in texts for word in shlex.split(text))
