"""Judge: score a submission against the ground truth, and say what happened to every row.

::

    result = evaluate("submission.zip", "truth.zarr", load_catalog("sample"))
    print_result(result)
    write_result(result, "result.json")      # and result_extended.json
    write_report(result, "report.html", catalog=..., data=..., truth=..., submission=...)
"""

from organelle.evaluate.batch import batch_eval
from organelle.evaluate.batch_line import LineOutcome, LineStatus
from organelle.evaluate.batch_report import BatchReport
from organelle.evaluate.batch_table import BatchLine, read_batch
from organelle.evaluate.bench import Bench, Pictures
from organelle.evaluate.compare import Comparison, Difference, compare, comparison_table
from organelle.evaluate.costliest import Cost, Explanation, Loss, Unskipped, costliest
from organelle.evaluate.crew import Crew
from organelle.evaluate.explain import ExplainedRow, explain_row
from organelle.evaluate.explanation import explain, explain_record, faults_path
from organelle.evaluate.fault_slices import draw_faults
from organelle.evaluate.foretold import ExpectedOutlines
from organelle.evaluate.output import extended_path, extended_record, public_record, write_result
from organelle.evaluate.public_report import write_public_report
from organelle.evaluate.records import Provenance, Result, Row, Source
from organelle.evaluate.report import write_report
from organelle.evaluate.rows import PlannedRow, score_row, score_rows
from organelle.evaluate.scoring import INSTANCE_CLASSES, evaluate, foretell_provenance, plan_evaluation
from organelle.evaluate.simulate import simulate
from organelle.evaluate.simulate_report import (
    ErrorCount,
    ExpectedCounts,
    SimulatedErrors,
    SimulatedRow,
    SimulateReport,
)
from organelle.evaluate.table import (
    Baselines,
    class_table,
    comparable_scores,
    print_result,
    result_view,
    row_table,
)
from organelle.evaluate.truth import Truth, TruthArray, open_truth
from organelle.evaluate.truth_report import LeftOut, TruthReport, TruthRow
from organelle.evaluate.truth_store import make_truth
from organelle.evaluate.words import describe

__all__ = [
    "INSTANCE_CLASSES",
    "Baselines",
    "BatchLine",
    "BatchReport",
    "Bench",
    "Comparison",
    "Cost",
    "Crew",
    "Difference",
    "ErrorCount",
    "ExpectedCounts",
    "ExpectedOutlines",
    "ExplainedRow",
    "Explanation",
    "LeftOut",
    "LineOutcome",
    "LineStatus",
    "Loss",
    "Pictures",
    "PlannedRow",
    "Provenance",
    "Result",
    "Row",
    "SimulateReport",
    "SimulatedErrors",
    "SimulatedRow",
    "Source",
    "Truth",
    "TruthArray",
    "TruthReport",
    "TruthRow",
    "Unskipped",
    "batch_eval",
    "class_table",
    "comparable_scores",
    "compare",
    "comparison_table",
    "costliest",
    "describe",
    "draw_faults",
    "evaluate",
    "explain",
    "explain_record",
    "explain_row",
    "extended_path",
    "extended_record",
    "faults_path",
    "foretell_provenance",
    "make_truth",
    "open_truth",
    "plan_evaluation",
    "print_result",
    "public_record",
    "read_batch",
    "result_view",
    "row_table",
    "score_row",
    "score_rows",
    "simulate",
    "write_public_report",
    "write_report",
    "write_result",
]
