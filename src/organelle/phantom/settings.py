"""What the synthetic tissue is made of: sizes in nm, numbers per cubic micrometre of cytoplasm."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from organelle.geometry import Nm, Voxels
from organelle.settings import Settings


class TissueSettings(Settings):
    """Cells and nuclei. Real cells are ten times larger: here a few fit into a toy volume."""

    cell_pitch_nm: PositiveFloat = 900.0
    """Distance between the centres of neighbouring cells."""

    nucleus_radius_nm: tuple[PositiveFloat, PositiveFloat] = (280.0, 335.0)
    """Smallest and largest."""

    membrane_nm: PositiveFloat = 16.0
    """Thickness of every membrane: twice the real one, so that it spans two voxels of 8 nm."""

    envelope_lumen_nm: PositiveFloat = 20.0
    """Between the two membranes of the nuclear envelope."""

    pore_spacing_nm: PositiveFloat = 124.0
    """Between the centres of neighbouring nuclear pores."""

    pore_radius_nm: tuple[PositiveFloat, PositiveFloat] = (23.0, 48.0)
    """Of the channel (np_in) and of the ring around it (np_out)."""

    gap_nm: NonNegativeFloat = 30.0
    """Widest extracellular space between two cells; over about half of their faces they touch."""


class OrganelleSettings(Settings):
    """How many of each, per cubic micrometre of cytoplasm; fewer where they do not find room."""

    mito: NonNegativeFloat = 13.0
    golgi: NonNegativeFloat = 7.0
    er_sheets: NonNegativeFloat = 0.28
    """Share of the shell around each nucleus that is a sheet of endoplasmic reticulum."""
    er_tubes: NonNegativeFloat = 150.0
    eres: NonNegativeFloat = 14.0
    mt: NonNegativeFloat = 45.0
    ld: NonNegativeFloat = 18.0
    lyso: NonNegativeFloat = 13.0
    endo: NonNegativeFloat = 13.0
    perox: NonNegativeFloat = 13.0
    ves: NonNegativeFloat = 220.0

    clearance_nm: PositiveFloat = 14.0
    """Between one organelle and the next."""


class MicroscopeSettings(Settings):
    """How the tissue becomes grey values (0 to 255)."""

    blur_nm: NonNegativeFloat = 5.0
    """Standard deviation of the point spread."""

    noise: NonNegativeFloat = 6.0
    """Standard deviation of the shot noise at mid grey."""

    shading: NonNegativeFloat = 6.0
    """Standard deviation of the slow change of brightness over the volume."""

    drift: NonNegativeFloat = 0.04
    """Standard deviation of the contrast from slice to slice, changing slowly along z."""

    steps_nm: PositiveFloat = 220.0
    """Mean distance in z between two sudden changes of brightness."""

    smudge_radius_nm: NonNegativeFloat = 90.0
    """Of the place in each crop where nothing can be recognised; its labels are unknown."""


class PhantomSettings(Settings):
    """A synthetic challenge: one dataset with four training crops and one test crop."""

    shape: Voxels = (176, 240, 272)
    """Voxels of the EM, z y x."""

    voxel_size_nm: Nm = (8.0, 8.0, 8.0)
    """Of the EM, z y x; anything goes, but membranes thinner than a voxel get holes."""

    label_fineness: Literal[1, 2] = 1
    """Label voxels per EM voxel and axis: 2 as in most real datasets, at eight times the work."""

    gap_voxels: PositiveInt = 16
    """EM voxels between two crops, at least."""

    margin_voxels: int = Field(default=8, ge=0)
    """EM voxels between the crops and the faces of the volume."""

    em_levels: PositiveInt = 3
    """Resolutions stored of the EM, each half the one before."""

    label_levels: PositiveInt = 3
    """Resolutions stored of each label."""

    classes: tuple[str, ...] = ()
    """Classes that are annotated where a crop has them; none named means all 48 that are scored."""

    dataset: str = Field(default="phantom-1", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the dataset."""

    tissue: TissueSettings = TissueSettings()
    organelles: OrganelleSettings = OrganelleSettings()
    microscope: MicroscopeSettings = MicroscopeSettings()

    @classmethod
    def tiny(cls, **changes: Any) -> PhantomSettings:
        """Small and quick, with small cells, of the same form; `changes` replace other settings."""
        cells = TissueSettings(cell_pitch_nm=680.0, nucleus_radius_nm=(160.0, 200.0))
        small = {
            "shape": (80, 96, 112),
            "margin_voxels": 0,
            "em_levels": 2,
            "label_levels": 2,
            "tissue": cells,
        }
        return cls.model_validate({**small, **changes})
