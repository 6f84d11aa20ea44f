"""One colour per class and one per object, the same in every picture and every run.

Related classes share a hue: the organelle itself is the middle tone, its membrane darker, its lumen
lighter.
"""

from __future__ import annotations

import colorsys
from functools import cache

import numpy as np
import numpy.typing as npt

from organelle.classes import class_named

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


def colour_of(class_name: str) -> Colour:
    """The colour of a class; an unknown name raises `ClassNotFound`."""
    return _class_colours()[class_named(class_name).name]


def label_colours(ids: npt.ArrayLike, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A vivid colour per object id: shape of `ids` + (3,). Id 0, the background, is black.

    The colour depends on id and seed alone, so an object keeps its colour from slice to slice.
    """
    number = np.asarray(ids).astype(np.uint64)
    mixed = _mix(number + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15))
    hue = (mixed & np.uint64(0xFFFF)).astype(float) / 0x10000
    light = 0.45 + 0.25 * ((mixed >> np.uint64(16)) & np.uint64(0xFF)).astype(float) / 0xFF
    strength = 0.65 + 0.35 * ((mixed >> np.uint64(24)) & np.uint64(0xFF)).astype(float) / 0xFF
    colours = _rgb(hue, light, strength)
    colours[number == 0] = 0
    return colours


def _mix(number: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): neighbouring ids end far apart."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


def _rgb(
    hue: npt.NDArray[np.float64], light: npt.NDArray[np.float64], strength: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Hue, lightness, saturation (0 to 1) to uint8 RGB on a last axis of 3."""
    reach = strength * np.minimum(light, 1 - light)
    turn = (np.array([0, 8, 4]) + hue[..., None] * 12) % 12
    wave = np.clip(np.minimum(turn - 3, 9 - turn), -1, 1)
    colours: npt.NDArray[np.uint8] = np.rint(255 * (light[..., None] - reach[..., None] * wave)).astype(
        np.uint8
    )
    return colours


@cache
def _class_colours() -> dict[str, Colour]:
    colours: dict[str, Colour] = {}
    for row, line in enumerate(_FAMILIES.strip().splitlines()):
        hue = row / len(_FAMILIES.strip().splitlines())
        strength = 0.95 if row % 2 == 0 else 0.72
        for name, light in zip(line.split(), _TONES, strict=False):
            red, green, blue = colorsys.hls_to_rgb(hue, light, strength)
            colours[name] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours


_TONES = (0.55, 0.36, 0.74, 0.64, 0.45, 0.28)
"""Lightness of the members of a family, in the order of its row."""

# One family per row, around the wheel of hues; neighbours in the cell are far apart in hue.
_FAMILIES = """
mito mito_mem mito_lum mito_ribo
lyso lyso_mem lyso_lum
rbc actin tbar vim
ld ld_mem ld_lum
yolk yolk_mem yolk_lum
cyto ribo glyco
chlor chlor_mem chlor_lum chlor_sg
er er_mem er_lum er_mem_all
eres eres_mem eres_lum
isg isg_mem isg_lum isg_ins
vac vac_mem vac_lum
ves ves_mem ves_lum
mt mt_out mt_in
cent cent_dapp cent_sdapp cent_all
ne ne_mem ne_lum ne_mem_all
nuc nucleo nucpl
chrom hchrom echrom nhchrom nechrom
np np_out np_in
golgi golgi_mem golgi_lum
perox perox_mem perox_lum
endo endo_mem endo_lum
cell pm ecs bm pd
"""
