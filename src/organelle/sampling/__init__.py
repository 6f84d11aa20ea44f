"""Draw patches: crops in memory, one rigid map per patch, targets that tell unknown from absent."""

from organelle.sampling.affine import Affine, random_affine
from organelle.sampling.cache import CropCache
from organelle.sampling.crop import TrainingCrop, crop_stamp, load_crop, load_crops, patch_margin_nm
from organelle.sampling.draw import Manner, Patch, draw, random_manner
from organelle.sampling.em import EMBlock, model_lattice, open_em, read_em
from organelle.sampling.look import Look, Tone, random_look
from organelle.sampling.palette import Palette, build_palette
from organelle.sampling.relations import infer
from organelle.sampling.settings import SamplingSettings
from organelle.sampling.statistics import class_frequencies, em_statistics, fingerprint, require_known_classes
from organelle.sampling.stream import Batch, PatchStream

__all__ = [
    "Affine",
    "Batch",
    "CropCache",
    "EMBlock",
    "Look",
    "Manner",
    "Palette",
    "Patch",
    "PatchStream",
    "SamplingSettings",
    "Tone",
    "TrainingCrop",
    "build_palette",
    "class_frequencies",
    "crop_stamp",
    "draw",
    "em_statistics",
    "fingerprint",
    "infer",
    "load_crop",
    "load_crops",
    "model_lattice",
    "open_em",
    "patch_margin_nm",
    "random_affine",
    "random_look",
    "random_manner",
    "read_em",
    "require_known_classes",
]
