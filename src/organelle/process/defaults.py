"""Built-in recipes of the instance classes, each for the shape of its class."""

from __future__ import annotations

from typing import Any

Table = dict[str, Any]

SMALLEST_NM3: dict[str, float] = {
    # About a tenth of a small specimen of the class, since a crop's face may cut off the rest.
    "nuc": 4e7,  # several micrometres across, but a crop's face may leave a corner: a cube of 342 nm
    "ves": 5e3,  # spheres of 40 nm and more: 34,000 nm3
    "endo": 1e5,  # spheres of 120 nm and more: 900,000 nm3
    "lyso": 5e5,  # 200 nm and more: 4,200,000 nm3
    "ld": 5e5,  # droplets of 200 nm and more
    "perox": 5e5,  # 200 nm and more
    "mito": 2e6,  # tubes 200 nm thick, 500 nm and longer: 16,000,000 nm3
    "np": 4e4,  # discs 100 nm wide and 50 nm high: 390,000 nm3
    "mt": 2.5e4,  # tubes 25 nm thick: 50 nm of their length
    "cell": 1e5,  # thin neurites count: a cube of 46 nm
}
"""What is known about the size of the ten instance classes."""
SHARES = {"ves": 1.0, "lyso": 0.5, "mito": 0.5}
"""What of the smallest volume stays, where it is not a quarter: vesicles are hardly larger than the specks of
a noisy prediction, and lysosomes and pieces of mitochondria are invented more often than others."""

BUILT_IN: dict[str, Table] = {name: {"min_volume_nm3": volume} for name, volume in SMALLEST_NM3.items()}
"""The keys of a recipe that says some of its keys itself."""
BUILT_IN["cell"]["connectivity"] = 6  # membranes are thin


SMOOTH_NM = {"lyso": 12, "perox": 12, "mito": 12}
"""By how much probabilities are smoothed, where it is not 8 nm: what is large and mottled bears more."""


def _mask(class_name: str) -> tuple[Table, ...]:
    """Foreground without noise."""
    smooth = {"part": "smooth", "scale_nm": SMOOTH_NM.get(class_name, 8)}
    return (smooth, {"part": "threshold", "threshold": 0.5})


def _recipe(class_name: str, *parts: Table) -> tuple[Table, ...]:
    """Foreground without noise, the parts, and what is too small dropped.

    Specks of smoothed noise are far smaller than organelles of 200 nm: these may be a quarter of the plain
    recipe's smallest volume, so that more of the objects stay that a crop's face cuts off.
    """
    smallest = SMALLEST_NM3[class_name] * SHARES.get(class_name, 0.25)
    return (*_mask(class_name), *parts, {"part": "min_volume", "volume_nm3": smallest})


def _rivals(class_name: str) -> Table:
    """Round organelles look alike: a voxel goes to the most probable."""
    return {
        "part": "compete",
        "against": [name for name in ("endo", "lyso", "ld", "perox") if name != class_name],
    }


def _lumen(class_name: str, seed_nm3: float) -> Table:
    return {"part": "watershed", "seeds": f"{class_name}_lum", "min_volume_nm3": seed_nm3}


WHOLE: Table = {"part": "keep_largest"}
"""Objects larger than a tile's halo may lose touch with a bit of themselves: it is dropped."""

SPLIT: Table = {"part": "split", "neck": 0.7}
"""Round objects: what is pinched by a third is two."""

CELLS: Table = {"part": "split", "without": ["pm"], "threshold": 0.3, "neck": 0.3, "window_nm": 48}
"""What may be membrane counts as such: one hole in it joins two cells."""

TUBES: Table = {"part": "tubes", "radius_nm": 12.5, "as_thick": True}

PORES: Table = {"part": "split", "neck": 0.8}
"""Pores lie side by side in rows, and are as flat as the envelope: their necks are hardly thinner."""

BUILT_IN_PARTS: dict[str, tuple[tuple[Table, ...], ...]] = {
    # Nuclei do not touch, but a network sees specks of them elsewhere.
    "nuc": (_recipe("nuc", {"part": "components"}),),
    # A membrane around a lumen: as many objects as lumina.
    "ves": (_recipe("ves", _lumen("ves", 2e3)), _recipe("ves", SPLIT)),
    "endo": (
        (_rivals("endo"), *_recipe("endo", _lumen("endo", 1e4))),
        _recipe("endo", _lumen("endo", 1e4)),
        _recipe("endo", SPLIT),
    ),
    "lyso": (_recipe("lyso", _lumen("lyso", 1e4)), _recipe("lyso", SPLIT)),
    # Droplets and peroxisomes are round and full: cut where they are pinched.
    "ld": (_recipe("ld", SPLIT),),
    "perox": ((_rivals("perox"), *_recipe("perox", SPLIT)), _recipe("perox", SPLIT)),
    # Mitochondria have waists of their own: only what is pinched by half is two.
    "mito": (_recipe("mito", {"part": "split", "neck": 0.5}, WHOLE),),
    # Pores are where the nuclear envelope is, and nowhere else.
    "np": (
        _recipe("np", {"part": "restrict", "to": "ne", "grow_nm": 16}, PORES),
        _recipe("np", PORES),
    ),
    # Centre-lines, drawn again as tubes of one thickness, at least that of a microtubule; bundles are taken
    # apart by what is inside of each.
    "mt": (
        (*_mask("mt"), {"part": "watershed", "seeds": "mt_in", "min_volume_nm3": 5e3}, TUBES),
        (*_mask("mt"), TUBES),
    ),
    # Cells touch all over: depth counts from the plasma membrane, and holes in it are necks.
    "cell": (
        _recipe("cell", CELLS, WHOLE),
        _recipe("cell", SPLIT, WHOLE),
    ),
}
"""Recipes that fit the shape of a class, the best first; which one depends on what is predicted.

`join_parts` gained nothing for nuclei on the phantom.
"""
