"""What the scored view shows that will cost unexpected points, as warnings that say how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

from organelle.submission.pieces import SPECK_VOXELS
from organelle.submission.problems import Problem
from organelle.submission.scored_view import ObjectView, RowView

FEW_SPECKS = 0.1
"""Specks are worth a warning from this share of the objects on."""

NEAR_THE_LIMIT = 0.5
"""With the truth at hand: a warning from this share of the objects that would still be matched."""

_ON_THE_GRID = "Write it on the crop's own grid: csc pack-results does."


def check_view(view: RowView) -> Iterator[Problem]:
    """The warnings that follow from one row; none for a row that is missing or unreadable."""
    if view.status != "seen":
        return
    if view.note:
        remedy = "The row was seen without its truth; mend or leave out the truth."
        yield _warning("unusable-truth", view, view.note, "truth on the crop's grid", remedy)
    if view.stored_voxels and not view.voxels:
        found = f"{view.stored_voxels:,} voxels stored, none of them counts"
        yield _warning("nothing-left", view, found, "some foreground in the crop", _ON_THE_GRID)
    if view.objects is not None:
        yield from _check_ids(view, view.objects)
        yield from _check_pieces(view, view.objects)
        yield from _check_limit(view, view.objects)


def _check_ids(view: RowView, seen: ObjectView) -> Iterator[Problem]:
    if lost := seen.ids_rescaled_away + seen.ids_outside:
        ways = {"outside of the crop": seen.ids_outside, "smaller than its voxels": seen.ids_rescaled_away}
        parts = ", ".join(f"{n} {way}" for way, n in ways.items() if n)
        found = f"{lost} of {seen.ids_stored} ids lost ({parts})"
        yield _warning("ids-lost", view, found, "every id to be scored", _ON_THE_GRID)
    if seen.ids_made:
        found = f"{seen.ids_made} values that were never stored, each an object"
        remedy = f"Rescaling blurs floats: store ids as whole numbers. {_ON_THE_GRID}"
        yield _warning("ids-made", view, found, "the stored ids", remedy)


def _check_pieces(view: RowView, seen: ObjectView) -> Iterator[Problem]:
    pieces = seen.pieces
    if pieces.ids_in_pieces and seen.ids > 1:  # a single id is a mask, whose pieces are meant as objects
        found = f"{pieces.ids_in_pieces} of {seen.ids} ids in several pieces; {pieces.objects} objects in all"
        remedy = "Every further piece counts as an invented object: keep the largest piece of each id."
        yield _warning("ids-in-pieces", view, found, "one connected piece for each id", remedy)
    if pieces.specks and pieces.specks >= FEW_SPECKS * pieces.objects:
        found = f"{pieces.specks} of {pieces.objects} objects have fewer than {SPECK_VOXELS} voxels"
        remedy = "Each counts as an object: remove what is too small to be one (csc process does)."
        yield _warning("many-specks", view, found, "objects, not noise", remedy)
    if pieces.merges:
        places = "1 place" if pieces.merges == 1 else f"{pieces.merges} places"
        found = f"{places} where only edges or corners join two bodies of one id"
        remedy = "There the two are one object: if they are two, give them different ids."
        yield _warning("corner-joins", view, found, "bodies that share faces", remedy)


def _check_limit(view: RowView, seen: ObjectView) -> Iterator[Problem]:
    remedy = "A skipped crop counts neither for nor against: remove specks and false objects."
    n, share = seen.pieces.objects, seen.share_of_limit
    if share is not None and share > NEAR_THE_LIMIT:
        code = "over-skip-limit" if share > 1 else "near-skip-limit"
        found, expected = f"{n:,} objects", f"at most {seen.most_objects:,} for this crop's truth"
        yield _warning(code, view, found, expected, remedy)
    elif seen.largest_truth_id is None and _would_be_skipped_by_specks(seen):
        found = f"{n:,} objects, {seen.pieces.specks:,} of them specks"
        expected = f"at least {seen.fewest_truth_ids:,} objects in the truth, or the crop is skipped"
        yield _warning("near-skip-limit", view, found, expected, remedy)


def _would_be_skipped_by_specks(seen: ObjectView) -> bool:
    """Without truth: whether it needs more truth objects than there are objects that are no specks."""
    solid = seen.pieces.objects - seen.pieces.specks
    return seen.fewest_truth_ids > max(1, solid)


def _warning(code: str, view: RowView, found: str, expected: str, remedy: str) -> Problem:
    return Problem(code, view.place, found, expected, remedy, "warning")
