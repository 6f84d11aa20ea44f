"""One drawn volume in every foreign form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import tensorstore
import tifffile

SHAPE = (21, 50, 70)
GREY = np.random.default_rng(2).integers(0, 60_000, SHAPE, dtype=np.uint16)

Writer = Callable[[Path, np.ndarray], Path]


def tiff(**options: object) -> Writer:
    def write(folder: Path, array: np.ndarray) -> Path:
        path = folder / "stack.tif"
        tifffile.imwrite(path, array, photometric="minisblack", **options)
        return path

    return write


def pages(folder: Path, array: np.ndarray) -> Path:
    """Pages one after the other, without a word on what they are."""
    path = folder / "pages.tif"
    with tifffile.TiffWriter(path) as file:
        for plane in array:
            file.write(plane, photometric="minisblack", metadata=None, compression="deflate")
    return path


def slices(folder: Path, array: np.ndarray) -> Path:
    path = folder / "slices"
    path.mkdir()
    for number, plane in enumerate(array, start=8):  # 8, 9, 10: not in the order of their names
        tifffile.imwrite(path / f"cell1_{number}.tif", plane, photometric="minisblack", compression="lzw")
    return path


def mrc(folder: Path, array: np.ndarray) -> Path:
    path = folder / "volume.mrc"
    with mrcfile.new(path) as file:
        file.set_data(array)
    return path


def turned_mrc(folder: Path, array: np.ndarray) -> Path:
    """Stored with z as columns and x as sections, as the header says."""
    path = folder / "turned.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.ascontiguousarray(array.transpose(2, 1, 0)))
        file.header.mapc, file.header.mapr, file.header.maps = 3, 2, 1
    return path


def hdf5(**options: object) -> Writer:
    def write(folder: Path, array: np.ndarray) -> Path:
        path = folder / "volume.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("volumes/raw", data=array, **options)
        return path

    return write


def big_endian_hdf5(folder: Path, array: np.ndarray) -> Path:
    return hdf5()(folder, array.astype(">u2")[np.newaxis])


def n5(folder: Path, array: np.ndarray, name: str = "raw") -> Path:
    path = folder / "volume.n5"
    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": str(path / name)},
        "metadata": {
            "dimensions": array.shape[::-1],
            "dataType": str(array.dtype),
            "blockSize": [16, 20, 12],
            "compression": {"type": "gzip"},
        },
    }
    tensorstore.open(spec, create=True).result()[...].write(array.T).result()
    return path


WRITERS: dict[str, Writer] = {
    "raw TIFF": tiff(),
    "raw big-endian TIFF": tiff(byteorder=">"),
    "LZW strips": tiff(compression="lzw", rowsperstrip=8),
    "big-endian zlib tiles": tiff(compression="zlib", byteorder=">", tile=(16, 16), predictor=True),
    "BigTIFF zstd": tiff(compression="zstd", bigtiff=True),
    "ImageJ": tiff(imagej=True),
    "OME": tiff(ome=True, compression="zlib", metadata={"axes": "ZYX"}),
    "pages": pages,
    "slices": slices,
    "MRC": mrc,
    "turned MRC": turned_mrc,
    "HDF5": hdf5(),
    "gzip HDF5": hdf5(chunks=(8, 16, 16), compression="gzip"),
    "HDF5 of whole slices": hdf5(chunks=(1, *SHAPE[1:]), compression="gzip"),
    "big-endian HDF5": big_endian_hdf5,
    "N5": n5,
}
