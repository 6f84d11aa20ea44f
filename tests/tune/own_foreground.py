"""Parts of recipes that somebody has written."""

from __future__ import annotations

import os
import signal

from pydantic import Field

from organelle.process import Layer, Site
from organelle.settings import Settings


class Above:
    """Foreground without anything to tune."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        return layer.at_least(0.5)


class Deadly:
    """As if memory were lacking."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        os.kill(os.getpid(), signal.SIGKILL)
        return layer


class Between(Settings):
    """Foreground with a range."""

    low: float = Field(default=0.5, json_schema_extra={"tune": {"low": 0.1, "high": 0.9}})
    """From here on."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        return layer.at_least(self.low)
