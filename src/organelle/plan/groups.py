"""Which voxel size a class wants, and which classes share a network."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from statistics import median

from organelle.catalog import Crop
from organelle.geometry import Nm
from organelle.plan.figures import ClassFigures, in_plane
from organelle.plan.survey import Form, Survey

THICK = 4.0
"""Voxels that a class should be thick: with fewer, half of its voxels lie at its surface."""
COARSEST_NM = 32.0
"""No coarser: truth of the challenge is at most so coarse."""
ACROSS = 32
"""Voxels that the median crop must have across: else there is little to draw patches from."""
STRETCH = 2.0
"""EM voxels are cut into at most so many along an axis, where datasets differ."""
APART = 2.0
"""Classes whose voxel sizes differ by this factor are learned apart."""
TOGETHER = {"cell": "pm"}
"""Classes that are learned with another, at its voxel size: cells touch, and only `pm` keeps them apart."""


@dataclass(frozen=True)
class Group:
    """Classes that one network learns.

    Attributes:
        form: of the voxels of its crops.
        voxel_size_nm: of input and output.
        classes: what is known of them.
        crops: those that annotate at least one.
    """

    form: Form
    voxel_size_nm: Nm
    classes: tuple[ClassFigures, ...]
    crops: tuple[Crop, ...]

    @property
    def name(self) -> str:
        """`cubes-8nm`: of the file and of the run."""
        return f"{self.form}-{in_plane(self.voxel_size_nm):g}nm"

    @property
    def thickest_nm(self) -> float:
        """Of its classes."""
        return max(figures.thickness_nm for figures in self.classes)

    @property
    def thinnest(self) -> ClassFigures:
        """Of its classes."""
        return min(self.classes, key=lambda figures: figures.thickness_nm)

    @property
    def crop_side_nm(self) -> float:
        """Median over the crops of their middle side."""
        return _crop_side_nm(self.crops)


def form_groups(found: Survey) -> tuple[Group, ...]:
    """The classes of a survey in groups, finest first.

    From the finest class on, those whose voxel size is less than `APART` times coarser join it. `TOGETHER`
    says which classes take the voxel size of another one.
    """
    alone = {figures.name: wanted_voxel_size(figures, found) for figures in found.classes}
    wanted = {figures: alone[_partner(figures.name, alone)] for figures in found.classes}
    groups: list[list[ClassFigures]] = []
    for figures in sorted(wanted, key=lambda figures: in_plane(wanted[figures])):
        size = in_plane(wanted[figures])
        if groups and size < APART * in_plane(wanted[groups[-1][0]]) * 0.99:
            groups[-1].append(figures)
        else:
            groups.append([figures])
    return tuple(_group(found, members, wanted[members[0]]) for members in groups)


def wanted_voxel_size(figures: ClassFigures, found: Survey) -> Nm:
    """The coarsest stored EM voxel size at which a class is `THICK` voxels thick, else the finest there is.

    Neither finer than its labels or (by more than `STRETCH`) than any dataset's EM, nor coarser than
    `COARSEST_NM` or than leaves `ACROSS` voxels across the median crop. Slabs and sections become no thicker
    before the other axes are as coarse. Of sizes that are about alike the one that most datasets store
    wins: there nothing has to be resampled.
    """
    usable = [size for size in _stored(found) if _serves(size, found)]
    usable = [s for s in usable if in_plane(s) >= 0.99 * figures.label_nm] or usable[-1:] or [_common(found)]
    most = min(figures.thickness_nm / THICK, COARSEST_NM, _crop_side_nm(found.crops) / ACROSS)
    fitting = [size for size in usable if in_plane(size) <= 1.01 * most]
    if not fitting:
        return usable[0]
    near = [size for size in fitting if in_plane(size) * 1.5 > in_plane(fitting[-1])]
    return max(near, key=lambda size: (_stores(size, found), in_plane(size)))


def _partner(name: str, among: Container[str]) -> str:
    other = TOGETHER.get(name, name)
    return other if other in among else name


def _stored(found: Survey) -> list[Nm]:
    """All stored EM voxel sizes, finest first; axes that are coarse already stay as they are at first."""
    sizes = {
        tuple(round(min(v, max(first, in_plane(size))), 4) for v, first in zip(size, levels[0], strict=True))
        if found.form is not Form.CUBES
        else tuple(round(v, 4) for v in size)
        for levels in found.em.values()
        for size in levels
    }
    return sorted(((z, y, x) for z, y, x in sizes), key=lambda size: (in_plane(size), size))


def _serves(size: Nm, found: Survey) -> bool:
    """Whether no dataset's EM would be stretched too far, nor all of them be stretched."""
    pairs = [(levels[0], size) for levels in found.em.values()]
    stretched = [max(e / v for e, v in zip(em, size, strict=True)) for em, size in pairs]
    return max(stretched) <= STRETCH * 1.01 and min(stretched) <= 1.01


def _stores(size: Nm, found: Survey) -> int:
    """How many datasets store a voxel size, to a percent."""
    return sum(
        any(all(abs(a / b - 1) < 0.01 for a, b in zip(level, size, strict=True)) for level in levels)
        for levels in found.em.values()
    )


def _common(found: Survey) -> Nm:
    """The finest size to which no dataset must be stretched: per axis the coarsest of the finest."""
    z, y, x = (max(levels[0][axis] for levels in found.em.values()) for axis in range(3))
    return z, y, x


def _group(found: Survey, members: list[ClassFigures], size: Nm) -> Group:
    names = {figures.name for figures in members}
    crops = tuple(crop for crop in found.crops if names & set(crop.classes))
    order = [figures.name for figures in found.classes]
    ordered = tuple(sorted(members, key=lambda figures: order.index(figures.name)))
    return Group(found.form, size, ordered, crops)


def _crop_side_nm(crops: tuple[Crop, ...]) -> float:
    return median(in_plane(crop.extent.shape_nm) for crop in crops)
