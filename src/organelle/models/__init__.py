"""Networks: by name from MONAI or by import path, what they are made for, and their checkpoints.

Importing this room loads no torch; building, saving and loading do.
"""

from organelle.models.architectures import DynUNetOptions, UNetOptions
from organelle.models.checkpoint import (
    Checkpoint,
    checkpoint_hash,
    current_versions,
    load_checkpoint,
    load_weights,
    require_classes,
    restore_network,
    save_checkpoint,
)
from organelle.models.generators import generator_states, restore_generators
from organelle.models.importing import import_named
from organelle.models.networks import build_network, initialise_bias
from organelle.models.normalisation import Normalisation
from organelle.models.registry import dimensions_of, network_names
from organelle.models.spec import ModelSettings, ModelSpec

__all__ = [
    "Checkpoint",
    "DynUNetOptions",
    "ModelSettings",
    "ModelSpec",
    "Normalisation",
    "UNetOptions",
    "build_network",
    "checkpoint_hash",
    "current_versions",
    "dimensions_of",
    "generator_states",
    "import_named",
    "initialise_bias",
    "load_checkpoint",
    "load_weights",
    "network_names",
    "require_classes",
    "restore_generators",
    "restore_network",
    "save_checkpoint",
]
