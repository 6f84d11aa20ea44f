"""The submission: every row of the test table in one zip, on the crops' grids, ids intact, and handed in."""

from organelle.pack.assemble import Assembly, Choice
from organelle.pack.lineage import lineage_path, read_lineage
from organelle.pack.plan import PackPlan, PlannedRow, plan_pack
from organelle.pack.portal import Portal, read_token, require_token
from organelle.pack.records import PackedRow, PackReport
from organelle.pack.run import pack
from organelle.pack.settings import (
    AssembleSettings,
    PackSettings,
    SourceSettings,
    SubmissionSettings,
    load_submission_settings,
)
from organelle.pack.submit import About, Receipt, submit
from organelle.pack.unchanged import changed_rows
from organelle.pack.view import see_packed
from organelle.pack.watch import outcome, watch

__all__ = [
    "About",
    "AssembleSettings",
    "Assembly",
    "Choice",
    "PackPlan",
    "PackReport",
    "PackSettings",
    "PackedRow",
    "PlannedRow",
    "Portal",
    "Receipt",
    "SourceSettings",
    "SubmissionSettings",
    "changed_rows",
    "lineage_path",
    "load_submission_settings",
    "outcome",
    "pack",
    "plan_pack",
    "read_lineage",
    "read_token",
    "require_token",
    "see_packed",
    "submit",
    "watch",
]
