"""A recipe, followed part by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from organelle.classes import Kind, kind_of
from organelle.errors import RecipeError
from organelle.process.layers import Layer
from organelle.process.parts import Components, Part, Renumber, content_of
from organelle.process.recipes import Recipe
from organelle.process.site import Site


@dataclass(frozen=True)
class Outcome:
    """What a recipe makes of a class."""

    layer: Layer
    """uint32: ids 1..N of an instance class, 0 and 1 for a semantic one."""
    objects: int
    """N; -1 for a semantic class."""
    dropped: int
    """Objects that were taken away for their size, as far as they were counted."""


def follow(recipe: Recipe, site: Site) -> Outcome:
    """Apply the parts of a recipe to the probabilities of the site's class.

    An instance class that ends as a mask becomes its connected pieces; ids that may have gaps are numbered
    anew. What only reads (comparisons, filters) is not computed yet, but when the layer is read.
    """
    layer, dropped = site.probability(site.class_name), 0
    for number, part in enumerate(recipe.steps(site.class_name), start=1):
        before = layer
        site.steps.begin(part.part)
        layer = _apply(part, number, layer, site)
        dropped += _fewer(before, layer)
    return _finish(layer, dropped, site)


def _apply(part: Part, number: int, layer: Layer, site: Site) -> Layer:
    content = content_of(layer)
    if content not in part.takes:
        raise RecipeError(
            f"{site.title or site.class_name}: {part.part} (part {number}) takes {' or '.join(part.takes)}, "
            f"and gets {content} of type {layer.dtype}; put a part between that gives it"
        )
    return part.apply(layer, site)


def _fewer(before: Layer, after: Layer) -> int:
    if before.sizes is None or after.sizes is None:
        return 0
    return int(np.count_nonzero(before.sizes) - np.count_nonzero(after.sizes))


def _finish(layer: Layer, dropped: int, site: Site) -> Outcome:
    if content_of(layer) == "probabilities":
        raise RecipeError(
            f"{site.title or site.class_name}: the recipe ends with probabilities; end it with threshold"
        )
    if kind_of(site.class_name) is Kind.SEMANTIC:
        return Outcome(layer.map(lambda values: (values > 0).astype(np.uint32), np.uint32), -1, dropped)
    site.steps.begin("renumber")
    if layer.is_mask:
        layer = Components().apply(layer, site)
    if layer.count is None:
        layer = Renumber().apply(layer, site)
    return Outcome(layer, layer.count or 0, dropped)
