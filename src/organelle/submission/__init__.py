"""What is handed in: a zip or folder read safely in place, laid on a crop's grid, and checked."""

from organelle.submission.alignment import align, align_array
from organelle.submission.allowances import SLACK_BYTES, row_allowance
from organelle.submission.limits import Limits
from organelle.submission.pieces import Pieces, take_apart
from organelle.submission.problems import Problem, ProblemError, Report
from organelle.submission.reader import Submission, open_stored, open_submission
from organelle.submission.scored_view import ObjectView, RowView, see_row, see_rows
from organelle.submission.stored import StoredArray, SubmittedArray
from organelle.submission.validator import problems_of_form, validate
from organelle.submission.zarr_zip import ZarrZip

__all__ = [
    "SLACK_BYTES",
    "Limits",
    "ObjectView",
    "Pieces",
    "Problem",
    "ProblemError",
    "Report",
    "RowView",
    "StoredArray",
    "Submission",
    "SubmittedArray",
    "ZarrZip",
    "align",
    "align_array",
    "open_stored",
    "open_submission",
    "problems_of_form",
    "row_allowance",
    "see_row",
    "see_rows",
    "take_apart",
    "validate",
]
