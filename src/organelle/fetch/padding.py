"""EM around a crop: in voxels, as people know it, or in nanometres, which mean the same in every dataset."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from organelle.errors import SettingsError
from organelle.geometry import Nm


@dataclass(frozen=True, slots=True)
class Padding:
    """What is taken around a crop on every side; the two add up.

    Attributes:
        voxels: Voxels of the finest EM level that is taken.
        nm: Nanometres.
    """

    voxels: int = 0
    nm: float = 0.0

    def __post_init__(self) -> None:
        if self.voxels < 0 or not (0 <= self.nm < math.inf):
            raise SettingsError(
                f"the padding must be at least 0 voxels and at least 0 nm, not {self.voxels} and {self.nm:g}"
            )

    def __bool__(self) -> bool:
        return self.voxels > 0 or self.nm > 0

    def reach_nm(self, voxel_size_nm: Nm) -> Nm:
        """How far it reaches along z, y, x, from the voxel size of the finest EM level that is taken."""
        z, y, x = (self.voxels * size + self.nm for size in voxel_size_nm)
        return z, y, x


def read_padding(text: str) -> Padding:
    """`64` is 64 voxels, `500nm` is 500 nanometres; a space before the unit is fine.

    Raises:
        SettingsError: something else.
    """
    found = re.fullmatch(r"\s*(\d+|\d*\.\d+|\d+\.)\s*(nm|voxels|voxel|)\s*", text)
    if not found or (found[2] != "nm" and not found[1].isdigit()):
        raise SettingsError(
            f"--raw-padding {text!r} is neither a number of voxels (64) nor of nanometres (500nm)"
        )
    return Padding(nm=float(found[1])) if found[2] == "nm" else Padding(voxels=int(found[1]))
