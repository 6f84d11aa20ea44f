"""Make objects and masks of probabilities: recipes per class, right across block faces.

`plan_process` lists the work, `process` does it; the steps (`find_objects`, `fill_holes`, `grow_back`)
take plain functions that read boxes.
"""

from organelle.process.arrays import apply_recipe
from organelle.process.grow import grow
from organelle.process.objects import Cut, Objects, fill_holes, find_objects, grow_back
from organelle.process.plan import ProcessPlan, ProcessTask, plan_process
from organelle.process.recipes import ProcessSettings, Recipe
from organelle.process.run import Processed, ProcessReport, process

__all__ = [
    "Cut",
    "Objects",
    "ProcessPlan",
    "ProcessReport",
    "ProcessSettings",
    "ProcessTask",
    "Processed",
    "Recipe",
    "apply_recipe",
    "fill_holes",
    "find_objects",
    "grow",
    "grow_back",
    "plan_process",
    "process",
]
