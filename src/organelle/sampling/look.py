"""How a patch looks: what changes grey values and nothing else.

Contrast, brightness, gamma and inversion are one curve, applied while EM is read (to the 256 grey values of
bytes); then come defocus and noise. Where nothing was imaged the patch stays 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm
from organelle.sampling.settings import SamplingSettings

BENT = 3.0
"""Gamma bends the greys within so many standard deviations of the mean; those beyond stay."""


@dataclass(frozen=True, slots=True)
class Tone:
    """A curve of normalised grey values."""

    inverted: bool = False
    gamma: float = 1.0
    """Exponent of the greys, as shares of the range from `-BENT` to `BENT`."""
    contrast: float = 1.0
    """Factor of the distance from the mean."""
    brightness: float = 0.0
    """Added, in standard deviations."""

    def __call__(self, greys: NDArray[np.float32]) -> NDArray[np.float32]:
        """The curve at normalised `greys` of any shape, as a new array."""
        out = np.negative(greys) if self.inverted else greys.copy()
        if self.gamma != 1:
            share = (out + np.float32(BENT)) * np.float32(0.5 / BENT)
            within = np.minimum(np.maximum(share, np.float32(0)), np.float32(1))
            share -= within
            out = within ** np.float32(self.gamma) + share
            out *= np.float32(2 * BENT)
            out -= np.float32(BENT)
        if self.contrast != 1:
            out *= np.float32(self.contrast)
        if self.brightness:
            out += np.float32(self.brightness)
        return out


PLAIN = Tone()


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to the grey values of one patch."""

    tone: Tone = PLAIN
    defocused: tuple[int, ...] = ()
    """Axes along which the patch is blurred."""
    noise: float = 0.0
    """Standard deviation of the noise that is added, in those of the EM."""
    seed: int = 0
    """Of the noise."""

    def finish(self, em: NDArray[np.float32], imaged: NDArray[np.bool_]) -> None:
        """Blur and add noise, in place; 0 where nothing was imaged."""
        if not (self.defocused or self.noise):
            return
        from organelle.sampling.look_kernels import add_noise

        defocus(em, self.defocused)
        if self.noise:
            add_noise(em, self.noise, np.uint64(self.seed))
        if not imaged.all():
            em[~imaged] = 0


def random_look(rng: np.random.Generator, voxel_size_nm: Nm, settings: SamplingSettings) -> Look:
    """Draw what `settings` allow.

    Args:
        rng: the patch's own generator.
        voxel_size_nm: of the model; a patch is blurred along its sharp axes only.
        settings: how much, and how often.
    """
    inverted = rng.random() < settings.inversion
    gamma = _ratio(rng, settings.gamma)
    blurred = rng.random() < settings.blur
    tone = Tone(
        inverted,
        gamma,
        _ratio(rng, settings.contrast),
        settings.brightness * (2 * rng.random() - 1),
    )
    noisy = rng.random() < 0.5
    noise = settings.noise * rng.random() if noisy else 0.0
    axes = _sharp_axes(voxel_size_nm) if blurred else ()
    return Look(tone, axes, noise, int(rng.integers(2**63)) if noise else 0)


def defocus(em: NDArray[np.float32], axes: tuple[int, ...]) -> None:
    """Blur in place by (1, 2, 1) / 4 along each of `axes`: a Gaussian of 0.7 voxels; the rim is repeated."""
    from organelle.sampling.look_kernels import blur

    for axis in axes:
        if em.shape[axis] > 1:
            before, after = math.prod(em.shape[:axis]), math.prod(em.shape[axis + 1 :])
            blur(em.reshape(before, em.shape[axis], after))


def tones(levels: NDArray[np.float32], tone: Tone) -> NDArray[np.float32]:
    """What each of the normalised grey `levels` becomes."""
    return levels if tone == PLAIN else tone(levels)


def _ratio(rng: np.random.Generator, spread: float) -> float:
    """Between 1 / (1 + spread) and 1 + spread, as often below 1 as above."""
    return float((1 + spread) ** (2 * rng.random() - 1)) if spread else 1.0


def _sharp_axes(voxel_size_nm: Nm) -> tuple[int, ...]:
    return tuple(axis for axis in range(3) if voxel_size_nm[axis] < 1.5 * min(voxel_size_nm))
