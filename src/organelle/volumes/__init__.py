"""How it is stored: OME-NGFF images and single arrays on a `Grid`, read lazily, written whole.

Reads OME-NGFF 0.4 (zarr v2) and 0.5 (zarr v3); writes 0.4, in a form that old readers understand.
"""

from organelle.volumes.labels import LabelEncoding, annotation_attributes, read_encoding
from organelle.volumes.multiscale import Multiscale, open_multiscale
from organelle.volumes.pyramid import build_pyramid, downsample
from organelle.volumes.resampling import resample
from organelle.volumes.volume import Volume, open_volume
from organelle.volumes.write import (
    create_multiscale,
    create_volume,
    write_groups,
    write_labels,
    write_multiscale,
    write_volume,
)

__all__ = [
    "LabelEncoding",
    "Multiscale",
    "Volume",
    "annotation_attributes",
    "build_pyramid",
    "create_multiscale",
    "create_volume",
    "downsample",
    "open_multiscale",
    "open_volume",
    "read_encoding",
    "resample",
    "write_groups",
    "write_labels",
    "write_multiscale",
    "write_volume",
]
