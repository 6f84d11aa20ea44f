"""States of random generators, in a form that a checkpoint can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from organelle.errors import CheckpointError


def generator_states(**generators: np.random.Generator) -> dict[str, Any]:
    """The states of torch's own generators and of the named numpy `generators`, to be restored later."""
    import torch

    states: dict[str, Any] = {"torch": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    return states | {f"numpy.{name}": json.dumps(_state(rng)) for name, rng in generators.items()}


def restore_generators(states: Mapping[str, Any], **generators: np.random.Generator) -> None:
    """Set torch's own generators and the named numpy `generators` (in place) to saved states.

    GPU generators are set only when as many GPUs are here as were then.

    Raises:
        CheckpointError: the states lack one of the generators, or it is of another kind.
    """
    import torch

    if missing := [key for key in ("torch", *(f"numpy.{name}" for name in generators)) if key not in states]:
        raise CheckpointError(f"no state of the generators {', '.join(missing)} was saved")
    torch.set_rng_state(states["torch"])
    if states.get("cuda") and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    for name, rng in generators.items():
        saved = json.loads(states[f"numpy.{name}"])
        if saved["bit_generator"] != rng.bit_generator.state["bit_generator"]:
            raise CheckpointError(f"generator {name} was a {saved['bit_generator']}")
        rng.bit_generator.state = saved


def _state(rng: np.random.Generator) -> dict[str, Any]:
    return dict(rng.bit_generator.state)
