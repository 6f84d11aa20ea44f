"""Propose experiments: look at the crops of some classes and at the machine, and write experiment files."""

from organelle.plan.choices import Choice
from organelle.plan.figures import ClassFigures
from organelle.plan.fitting import Machine
from organelle.plan.groups import Group, form_groups
from organelle.plan.measure import Measured, measure
from organelle.plan.proposal import Proposal
from organelle.plan.run import PlanReport, plan
from organelle.plan.survey import Form, Survey, survey
from organelle.plan.thickness import median_thickness
from organelle.plan.toml import as_toml

__all__ = [
    "Choice",
    "ClassFigures",
    "Form",
    "Group",
    "Machine",
    "Measured",
    "PlanReport",
    "Proposal",
    "Survey",
    "as_toml",
    "form_groups",
    "measure",
    "median_thickness",
    "plan",
    "survey",
]
