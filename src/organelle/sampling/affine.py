"""Where the voxels of a patch come from: one rigid map in nanometres, the same for EM and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm, Voxels
from organelle.sampling.settings import SamplingSettings

TURNABLE = 1.5
"""Voxel sizes of two axes may differ by this factor for patches to be turned between them: beyond it the
coarse axis would be smeared into the sharp one."""
EQUAL = 1e-4
"""Relative difference of voxel sizes below which two axes may be exchanged exactly."""
Rows = list[list[float]]
"""A matrix as plain numbers: for nine of them arrays cost more than all that is reckoned."""
STILL: Rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@dataclass(frozen=True, slots=True)
class Affine:
    """Rotation, mirror and transposition about the centre of a patch, as one orthogonal matrix.

    A voxel that lies `offset` nm (z, y, x) from the centre of the patch shows what lies
    `matrix @ offset` nm from the place that the patch is drawn at.
    """

    matrix: tuple[Nm, Nm, Nm] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    @classmethod
    def from_array(cls, matrix: NDArray[np.float64]) -> Affine:
        """From a 3 x 3 array, which must be orthogonal: nothing is scaled or sheared."""
        if matrix.shape != (3, 3) or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-6):
            raise ValueError(f"not a rigid map:\n{matrix}")
        return _affine(matrix)

    @classmethod
    def rotation(cls, first: int, second: int, degrees: float) -> Affine:
        """Turn from axis `first` towards axis `second`."""
        return cls(_rows(*_turn(first, second, degrees)))

    @classmethod
    def mirror(cls, *axes: int) -> Affine:
        """Mirror along `axes`."""
        return _affine(np.diag([-1.0 if axis in axes else 1.0 for axis in range(3)]))

    @classmethod
    def transposition(cls, axes: Voxels) -> Affine:
        """Axis i of the patch runs along axis `axes[i]` of the data, as in `numpy.transpose`."""
        return _affine(np.eye(3)[:, list(axes)])

    def __matmul__(self, other: Affine) -> Affine:
        """First `other`, then this."""
        return _affine(np.array(self.matrix) @ np.array(other.matrix))

    def apply(self, offset_nm: Nm) -> Nm:
        """Where a place `offset_nm` from the centre of the patch lies in the data, from its centre."""
        z, y, x = np.array(self.matrix) @ np.array(offset_nm)
        return float(z), float(y), float(x)

    def in_voxels(self, voxel_size_nm: Nm) -> NDArray[np.float64]:
        """The same map between voxel indices, [3, 3]; one that only exchanges axes is made whole."""
        return np.array(self.rows_in_voxels(voxel_size_nm))

    def rows_in_voxels(self, voxel_size_nm: Nm) -> Rows:
        """`in_voxels` as plain numbers."""
        (a, b, c), (z, y, x) = voxel_size_nm, self.matrix
        entries = [z[0] * a / a, z[1] * b / a, z[2] * c / a, y[0] * a / b, y[1] * b / b, y[2] * c / b]
        entries += [x[0] * a / c, x[1] * b / c, x[2] * c / c]
        away = [abs(entry - round(entry)) for entry in entries]
        near = 2 * EQUAL if max(away) < 2 * EQUAL else 1e-9
        whole = [float(round(e)) if d < near else e for e, d in zip(entries, away, strict=True)]
        return [whole[:3], whole[3:6], whole[6:]]

    def reach(self, shape: Voxels, voxel_size_nm: Nm) -> Nm:
        """About how many voxels a patch of `shape` spans on each axis of the data; exact if unturned."""
        length = [n * v for n, v in zip(shape, voxel_size_nm, strict=True)]
        (a, b, c), rows = length, self.matrix
        z, y, x = [
            (p * p * a + q * q * b + r * r * c) / v for (p, q, r), v in zip(rows, voxel_size_nm, strict=True)
        ]
        return z, y, x


def random_affine(
    rng: np.random.Generator, voxel_size_nm: Nm, flat_axis: int | None, settings: SamplingSettings
) -> Affine:
    """Draw a map that the data allow.

    Isotropic data are turned in 3D, 2D patches within their plane, anisotropic data in the sharp plane.

    Args:
        rng: the patch's own generator.
        voxel_size_nm: of the model.
        flat_axis: the axis that a 2D patch does not have, or None.
        settings: what is allowed, and how often.
    """
    axes = _random_axes(rng, voxel_size_nm, flat_axis, settings)
    signs = [-1.0 if settings.mirror and rng.random() < 0.5 else 1.0 for _ in range(3)]
    turn = STILL
    if rng.random() < settings.rotate:
        turn = _random_turn(rng, turnable_axes(voxel_size_nm, flat_axis))
    moved = [STILL[0]] * 3
    for axis, sign, (z, y, x) in zip(axes, signs, turn, strict=True):
        moved[axis] = [z * sign, y * sign, x * sign]  # first turn, then mirror, then exchange axes
    return Affine(_rows(*moved))


@cache
def turnable_axes(voxel_size_nm: Nm, flat_axis: int | None) -> list[int]:
    """The axes between which patches may be turned: the sharp ones, without a 2D patch's flat axis."""
    finest = min(voxel_size_nm)
    sharp = [axis for axis in range(3) if voxel_size_nm[axis] <= TURNABLE * finest]
    axes = [axis for axis in sharp if axis != flat_axis]
    return axes if len(axes) > 1 else []


def exchanges(voxel_size_nm: Nm, flat_axis: int | None, settings: SamplingSettings) -> tuple[Voxels, ...]:
    """The axes of the data that those of a patch may run along; the identity is always among them.

    Only axes of equal voxel size are exchanged. `settings.planes` says whether a 2D patch may lie across
    another axis, `settings.transpose` whether the axes that it shows may change their order.
    """
    return _choices(voxel_size_nm, flat_axis, settings.transpose, settings.planes)


@cache
def _choices(voxel_size_nm: Nm, flat_axis: int | None, transpose: bool, planes: str) -> tuple[Voxels, ...]:
    orders = [(z, y, x) for z, y, x in permutations(range(3))]
    return tuple(axes for axes in orders if _allowed(axes, voxel_size_nm, flat_axis, transpose, planes))


def _allowed(axes: Voxels, voxel_size_nm: Nm, flat_axis: int | None, transpose: bool, planes: str) -> bool:
    sizes = [(voxel_size_nm[i], voxel_size_nm[axis]) for i, axis in enumerate(axes)]
    shown = [axis for i, axis in enumerate(axes) if i != flat_axis]
    same_plane = flat_axis is None or axes[flat_axis] == flat_axis
    return (
        all(math.isclose(a, b, rel_tol=EQUAL) for a, b in sizes)
        and (same_plane or planes == "any")
        and (shown == sorted(shown) or transpose)
    )


def _random_axes(
    rng: np.random.Generator, voxel_size_nm: Nm, flat_axis: int | None, settings: SamplingSettings
) -> Voxels:
    choices = _choices(voxel_size_nm, flat_axis, settings.transpose, settings.planes)
    return choices[int(len(choices) * rng.random())]


def _random_turn(rng: np.random.Generator, axes: Sequence[int]) -> Rows:
    if len(axes) < 2:
        return STILL
    if len(axes) == 2:
        return _turn(axes[0], axes[1], 360 * rng.random())
    turn: Rows = _rotation_of(rng.standard_normal(4)).tolist()
    return turn


def _turn(first: int, second: int, degrees: float) -> Rows:
    rows, angle = [list(row) for row in STILL], math.radians(degrees)
    rows[first][first] = rows[second][second] = math.cos(angle)
    rows[second][first], rows[first][second] = math.sin(angle), -math.sin(angle)
    return rows


def _affine(matrix: NDArray[np.float64]) -> Affine:
    """A map whose matrix is known to be orthogonal."""
    return Affine(_rows(*matrix.tolist()))


def _rows(z: list[float], y: list[float], x: list[float]) -> tuple[Nm, Nm, Nm]:
    return (z[0], z[1], z[2]), (y[0], y[1], y[2]), (x[0], x[1], x[2])


def _rotation_of(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrix of a quaternion; of four normal numbers it is uniform over all rotations."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
