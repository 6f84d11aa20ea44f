"""Make objects and masks of probabilities: recipes per class, made of parts, right across block faces.

`plan_process` lists the work, `process` does it, `apply_recipe` does the same to arrays. A part turns a lazy
`Layer` into another at a `Site`; own ones come in by import path and follow `RecipePart`.
"""

from organelle.process.arrays import apply_recipe
from organelle.process.follow import Outcome, follow
from organelle.process.grow import grow
from organelle.process.layers import Layer
from organelle.process.making import Processed
from organelle.process.objects import Pieces, find_pieces
from organelle.process.parts import PARTS, Part, RecipePart, make_part
from organelle.process.plan import ProcessPlan, ProcessTask, plan_process
from organelle.process.recipes import ProcessSettings, Recipe
from organelle.process.run import ProcessReport, process
from organelle.process.scratch import Cut, Scratch
from organelle.process.site import Site

__all__ = [
    "PARTS",
    "Cut",
    "Layer",
    "Outcome",
    "Part",
    "Pieces",
    "ProcessPlan",
    "ProcessReport",
    "ProcessSettings",
    "ProcessTask",
    "Processed",
    "Recipe",
    "RecipePart",
    "Scratch",
    "Site",
    "apply_recipe",
    "find_pieces",
    "follow",
    "grow",
    "make_part",
    "plan_process",
    "process",
]
