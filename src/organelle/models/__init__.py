"""Networks: by name from MONAI or by import path, what they are made for, and their checkpoints.

Importing this room loads no torch; building, saving and loading do.
"""

from organelle.models.architectures import Architecture, LibraryCall
from organelle.models.bioimageio_export import PackageExport, export_bioimageio
from organelle.models.checkpoint import (
    Checkpoint,
    checkpoint_hash,
    current_versions,
    load_checkpoint,
    load_weights,
    require_channels,
    require_classes,
    restore_network,
    save_checkpoint,
)
from organelle.models.deep_supervision import coarsen_target, deep_supervision_weights, supervised_outputs
from organelle.models.dynunet import DynUNetOptions
from organelle.models.generators import generator_states, restore_generators
from organelle.models.importing import import_named
from organelle.models.listing import (
    NetworkDescription,
    Option,
    describe_network,
    list_networks,
    network_options,
    network_summary,
)
from organelle.models.networks import build_network, initialise_bias
from organelle.models.normalisation import Normalisation
from organelle.models.onnx_export import OnnxExport, export_onnx
from organelle.models.registry import dimensions_of, network_names, options_of
from organelle.models.segresnet import SegResNetOptions
from organelle.models.spec import ModelSettings, ModelSpec
from organelle.models.swinunetr import SwinUNETROptions
from organelle.models.transfer import Transfer, transfer_weights
from organelle.models.unets import ResUNetOptions, UNetOptions

__all__ = [
    "Architecture",
    "Checkpoint",
    "DynUNetOptions",
    "LibraryCall",
    "ModelSettings",
    "ModelSpec",
    "NetworkDescription",
    "Normalisation",
    "OnnxExport",
    "Option",
    "PackageExport",
    "ResUNetOptions",
    "SegResNetOptions",
    "SwinUNETROptions",
    "Transfer",
    "UNetOptions",
    "build_network",
    "checkpoint_hash",
    "coarsen_target",
    "current_versions",
    "deep_supervision_weights",
    "describe_network",
    "dimensions_of",
    "export_bioimageio",
    "export_onnx",
    "generator_states",
    "import_named",
    "initialise_bias",
    "list_networks",
    "load_checkpoint",
    "load_weights",
    "network_names",
    "network_options",
    "network_summary",
    "options_of",
    "require_channels",
    "require_classes",
    "restore_generators",
    "restore_network",
    "save_checkpoint",
    "supervised_outputs",
    "transfer_weights",
]
