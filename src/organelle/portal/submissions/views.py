"""Pages on which people hand in and watch what becomes of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect, ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from organelle.portal.submissions import actions
from organelle.portal.submissions.intake import hand_in, require_may_hand_in, team_of
from organelle.portal.submissions.limits import allowance
from organelle.portal.submissions.models import Submission, Upload
from organelle.portal.submissions.outlook import findings_of, mark_of, progress_of, score_of
from organelle.portal.submissions.receiving import Received, receiving
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import NoRoom
from organelle.portal.submissions.uploads import expires, offset_of, open_uploads
from organelle.portal.submissions.writing import Busy, WrongOffset, append, discard

PER_PAGE = 50
CHECKING = f"{Submission.State.CHECKING}."
FULL = "the portal's disk is full; nothing was kept. Try again later, and tell the organisers"


@csrf_exempt  # the word against forgery stands in a body that is read only when its sender may hand in
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest) -> HttpResponse:
    """The form; and, without scripts, the file in one go."""
    if request.method != "POST":
        return _form(request)
    try:
        require_may_hand_in(request.user, team_of(request.user))
        with receiving(request) as received:
            answer: HttpResponse = csrf_protect(_take)(request, received)
            return answer
    except Refused as refused:
        return _form(request, refused.words, refused.status)
    except NoRoom:
        return _form(request, FULL, 507)


def _take(request: HttpRequest, received: Received) -> HttpResponse:
    """The form says its end last, so that a cut connection does not pass for a shorter file."""
    if "end" not in request.POST:
        raise Refused("the connection broke before all had come; send it again", "field")
    boxes = {name: name in request.POST for name in ("publish", "anonymous")}
    submission = hand_in(
        received.path,
        user=request.user,
        team=require_may_hand_in(request.user, team_of(request.user)),
        sha256=received.sha256,
        size_bytes=received.size_bytes,
        name=received.name,
        fields=dict(request.POST.items()) | {"lineage": received.lineage or None} | boxes,
    )
    return redirect("submission", submission.pk)


@ensure_csrf_cookie
def _form(request: HttpRequest, trouble: str = "", status: int = 200) -> HttpResponse:
    team = team_of(request.user)
    context = {
        "team": team,
        "left": allowance(team) if team else None,
        "limits": settings.PORTAL.limits,
        "why_not": _why_not(request.user, team),
        "trouble": trouble,
        "given": request.POST if request.method == "POST" and not trouble.startswith("this is no") else {},
        "uploads": [
            {
                "upload": upload,
                "offset": offset_of(upload),
                "expires": expires(upload),
                "whole": offset_of(upload) == upload.length,
            }
            for upload in open_uploads(request.user)
        ],
    }
    return render(request, "submissions/submit.html", context, status=status)


def _why_not(user: Any, team: Any) -> str:
    try:
        require_may_hand_in(user, team)
    except Refused as refused:
        return refused.words
    return ""


@login_required
@require_POST
def finish(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Hand in an upload that is whole, but was not taken when it became so."""
    upload = _own_upload(request, upload_id)
    try:
        done = append(upload, upload.length, 0, lambda _: b"")
    except Refused as refused:
        messages.error(request, refused.words)
        return redirect("submit")
    except (Busy, WrongOffset):
        messages.error(request, "this upload is not whole; choose the same file again to go on with it")
        return redirect("submit")
    except NoRoom:
        messages.error(request, "the portal has no room just now; nothing is lost: try again later")
        return redirect("submit")
    except Upload.DoesNotExist:
        raise Http404 from None
    return redirect("submission", done.submission_id)


@login_required
@require_POST
def remove(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Give an unfinished upload up."""
    try:
        discard(_own_upload(request, upload_id))
    except Busy:
        messages.error(request, "a piece of this upload is coming in; stop it first")
    except Upload.DoesNotExist:
        raise Http404 from None
    else:
        messages.success(request, "the unfinished upload was removed")
    return redirect("submit")


def _own_upload(request: HttpRequest, upload_id: UUID) -> Upload:
    upload = Upload.objects.filter(pk=upload_id, user=request.user).first()
    if upload is None:
        raise Http404
    return upload


@login_required
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """The submissions of one's team, newest first."""
    team = team_of(request.user)
    found = Submission.objects.filter(team=team).select_related("user") if team else Submission.objects.none()
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    rows = [{"submission": one, "score": score_of(one)} for one in page]
    context = {"team": team, "page": page, "rows": rows, "left": allowance(team) if team else None}
    return render(request, "submissions/mine.html", context)


@login_required
@require_GET
def one(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """All that the team may know of one submission."""
    submission = _visible(request, submission_id)
    return render(request, "submissions/one.html", _context(request, submission))


def live(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """What has changed of that page since the mark `seen`, and nothing else: what one types there stays.

    204 when nothing has. A browser whose sign-in is over gets 401, and not the page to sign in, which it
    would show in this place.
    """
    if request.htmx and not request.user.is_authenticated:
        return HttpResponse(status=401)
    return _live(request, submission_id)


@login_required
@require_GET
def _live(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    context = _context(request, _visible(request, submission_id))
    seen = request.GET.get("seen", "")
    if seen == context["mark"]:
        return HttpResponse(status=204)
    context["was_checked"] = seen.startswith(CHECKING) and not context["mark"].startswith(CHECKING)
    return render(request, "submissions/_moved.html", context)


def _context(request: HttpRequest, submission: Submission) -> dict[str, Any]:
    progress = progress_of(submission) or {}
    seconds = progress.get("estimate_seconds")
    minutes = None if seconds is None else max(1, round(seconds / 60))
    history = list(submission.transitions.all())
    return {
        "submission": submission,
        "progress": progress,
        "minutes": minutes,
        "score": score_of(submission),
        "findings": findings_of(submission),
        "history": history,
        "mark": mark_of(
            submission, progress.get("place_in_queue"), progress.get("done"), minutes, len(history)
        ),
        "may_change": actions.may_change(request.user, submission),
        "may_choose": actions.may_choose(request.user, submission) and actions.is_ranking_open(request.user),
    }


@login_required
@require_POST
def edit(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """Change description, link and consents."""
    boxes = {name: name in request.POST for name in ("publish", "anonymous")}
    given = dict(request.POST.items()) | boxes
    return _do(request, submission_id, "saved", actions.edit, given)


@login_required
@require_POST
def choose(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """Let it count on the board, or the best again."""
    chosen = request.POST.get("chosen") == "true"
    words = "this submission counts on the board" if chosen else "the team's best submission counts again"
    return _do(request, submission_id, words, actions.choose, chosen=chosen)


@login_required
@require_POST
def cancel(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """Take it out of the queue."""
    return _do(request, submission_id, "cancelled; it costs no attempt", actions.cancel)


def _do(
    request: HttpRequest, submission_id: UUID, done: str, action: Any, *args: Any, **kw: Any
) -> HttpResponse:
    """Carry out an action, say what came of it, and show the submission."""
    submission = _visible(request, submission_id)
    try:
        action(submission, request.user, *args, **kw)
    except Refused as refused:
        messages.error(request, refused.words)
    else:
        messages.success(request, done)
    return redirect("submission", submission.pk)


def _visible(request: HttpRequest, submission_id: UUID) -> Submission:
    found = actions.visible_to(request.user).filter(pk=submission_id).first()
    if found is None:
        raise Http404
    return found
