"""The section `[sampling]` of an experiment: where patches are drawn, and what is done to them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat

from organelle.settings import Settings


class SamplingSettings(Settings):
    """How training patches are drawn; every share and probability lies between 0 and 1."""

    batch_size: int = Field(default=4, ge=1)
    """Patches per step."""
    workers: int = Field(default=2, ge=0)
    """Threads that draw ahead of the training step; 0 draws in the caller. Changes no patch."""

    balanced: float = Field(default=0.5, ge=0, le=1)
    """Share of patches centred near a voxel of a class chosen for its rarity; the others anywhere."""
    rarity: float = Field(default=0.5, ge=0, le=1)
    """A class is chosen with weight (its voxels)^-rarity: 0 all alike, 1 exactly as rare as it is."""
    dataset_weights: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """How much more often (or, below 1, less) than others the crops of a dataset are drawn; 0 never."""
    jitter: float = Field(default=0.25, ge=0, le=0.5)
    """How far, in patch sizes, the centre may lie from that voxel; above 0.28 rotated patches can miss it."""
    overhang: float = Field(default=0.25, ge=0, le=0.5)
    """Share of a patch that may hang over the crop on each side, where labels are unknown."""

    rotate: float = Field(default=0.5, ge=0, le=1)
    """Share of patches turned freely, which interpolates; the others keep the grid and stay sharp."""
    mirror: bool = True
    """Mirror along each axis in half of the patches."""
    transpose: bool = True
    """Exchange axes of equal voxel size."""
    planes: Literal["any", "patch"] = "any"
    """2D patches: planes across every axis that has the voxel size of the patch's flat axis, or only
    across that axis. Anisotropic data has only the sharp planes either way."""

    elastic: float = Field(default=0.0, ge=0, le=1)
    """Share of patches that are bent smoothly."""
    elastic_nm: float = Field(default=20.0, ge=0)
    """How far things are displaced then, as a standard deviation over points 32 voxels apart."""
    sections: float = Field(default=0.0, ge=0, le=1)
    """Share of patches with a fault of the microscope: sections lost, of another brightness, or displaced
    against those before (with their labels)."""

    contrast: float = Field(default=0.25, ge=0, lt=1)
    """Spread of grey values is multiplied by up to 1 + this, or divided by it."""
    brightness: float = Field(default=0.25, ge=0)
    """Grey values are shifted by up to this many standard deviations."""
    gamma: float = Field(default=0.25, ge=0, lt=1)
    """Middle greys are bent by an exponent of up to 1 + this, or its inverse."""
    noise: float = Field(default=0.2, ge=0)
    """Gaussian noise of up to this many standard deviations is added to half of the patches."""
    blur: float = Field(default=0.1, ge=0, le=1)
    """Share of patches slightly defocused (a Gaussian of about 0.7 voxels in the sharp plane)."""
    inversion: float = Field(default=0.0, ge=0, le=1)
    """Share of patches with black and white exchanged; some datasets are stored that way."""

    relations: bool = True
    """Let what is annotated say what it can about classes that are not: exclusion and implication."""

    def without_augmentation(self) -> SamplingSettings:
        """The same places, with the data as they are: for validation and for looking at them."""
        still = {"rotate": 0.0, "mirror": False, "transpose": False, "planes": "patch"}
        varied = ("elastic", "sections", "contrast", "brightness", "gamma", "noise", "blur", "inversion")
        plain = dict.fromkeys(varied, 0.0)
        return self.model_copy(update={**still, **plain})
