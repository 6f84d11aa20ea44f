"""The submission: every row of the test table in one zip, on the crops' grids, ids intact."""

from organelle.pack.assemble import pack
from organelle.pack.plan import PackPlan, PlannedRow, plan_pack
from organelle.pack.records import PackedRow, PackReport
from organelle.pack.settings import PackSettings

__all__ = ["PackPlan", "PackReport", "PackSettings", "PackedRow", "PlannedRow", "pack", "plan_pack"]
