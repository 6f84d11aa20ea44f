"""The team: who is in it, who may come, who leads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from organelle.portal.accounts import teams
from organelle.portal.accounts.forms import AddressForm, TeamForm
from organelle.portal.accounts.models import Invitation, Team

View = Callable[..., HttpResponse]


@never_cache
@login_required
@require_safe
def team(request: HttpRequest) -> HttpResponse:
    """One's own team, or the form that makes one."""
    own = teams.team_of(request.user)
    return _page(request, own) if own else _make_page(request, TeamForm())


@login_required
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """Make a team."""
    form = TeamForm(request.POST)
    if form.is_valid():
        try:
            made = teams.make_team(request.user, **form.cleaned_data)
        except teams.TeamError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"The team {made} is made; you lead it.")
            return redirect("/team/")
    return _make_page(request, form)


def _for_whoever_leads(act: View) -> View:
    """Hands a view the team that the person leads; what cannot be is told on the team's page."""

    @login_required
    @require_POST
    @wraps(act)
    def view(request: HttpRequest, **values: object) -> HttpResponse:
        own = teams.led_by(request.user)
        try:
            return act(request, own, **values)
        except teams.TeamError as error:
            messages.error(request, str(error))
            return redirect("/team/")

    return view


@_for_whoever_leads
def rename(request: HttpRequest, own: Team) -> HttpResponse:
    """Change name and affiliation."""
    form = TeamForm(request.POST)
    if not form.is_valid():
        return _page(request, Team.objects.get(pk=own.pk), rename=form)
    teams.rename(own, request.user, **form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("/team/")


@_for_whoever_leads
def invite(request: HttpRequest, own: Team) -> HttpResponse:
    """Invite by mail; the link is shown once, to be handed on by other ways."""
    form = AddressForm(request.POST)
    if not form.is_valid():
        return _page(request, own, invite=form)
    invitation, word, sent = teams.invite(own, form.cleaned_data["email"], request.user)
    link = f"{settings.PORTAL_URL}/team/join/{word}/"
    return render(request, "accounts/invited.html", {"invitation": invitation, "link": link, "sent": sent})


@_for_whoever_leads
def withdraw(request: HttpRequest, own: Team, number: int) -> HttpResponse:
    """Take an invitation back."""
    invitation = get_object_or_404(own.invitations, pk=number, accepted=None)
    teams.withdraw(invitation, request.user)
    messages.success(request, "The invitation is withdrawn.")
    return redirect("/team/")


@_for_whoever_leads
def remove(request: HttpRequest, own: Team, number: int) -> HttpResponse:
    """Remove a member."""
    member = get_object_or_404(own.memberships.exclude(user=request.user), pk=number)
    name = str(member.user)
    teams.leave(member.user, by=request.user)
    messages.success(request, f"{name} is in the team no more.")
    return redirect("/team/")


@_for_whoever_leads
def hand_on(request: HttpRequest, own: Team, number: int) -> HttpResponse:
    """Let somebody else lead."""
    member = get_object_or_404(own.memberships.exclude(user=request.user), pk=number)
    teams.hand_on(own, member, request.user)
    messages.success(request, f"{member.user} leads the team now.")
    return redirect("/team/")


@login_required
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Leave one's team."""
    teams.leave(request.user)
    messages.success(request, "You are in no team now.")
    return redirect("/team/")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, word: str) -> HttpResponse:
    """An invitation out of a mail; a look does not use it up."""
    try:
        return _join(request, word) if request.method == "POST" else _ask(request, word)
    except teams.TeamError as error:
        return render(request, "accounts/invitation_gone.html", {"reason": str(error)}, status=410)


def _ask(request: HttpRequest, word: str) -> HttpResponse:
    invitation: Invitation = teams.find_invitation(word)
    own = teams.team_of(request.user) if request.user.is_authenticated else None
    return render(request, "accounts/join.html", {"invitation": invitation, "own": own, "word": word})


@login_required
def _join(request: HttpRequest, word: str) -> HttpResponse:
    joined = teams.join(word, request.user)
    messages.success(request, f"You are in the team {joined} now.")
    return redirect("/team/")


def _make_page(request: HttpRequest, form: TeamForm) -> HttpResponse:
    return render(request, "accounts/team_make.html", {"form": form}, status=422 if form.is_bound else 200)


def _page(
    request: HttpRequest, own: Team, *, rename: TeamForm | None = None, invite: AddressForm | None = None
) -> HttpResponse:
    member = own.memberships.get(user=request.user)
    return render(
        request,
        "accounts/team.html",
        {
            "team": own,
            "leads": member.leads,
            "members": own.memberships.select_related("user").order_by("since", "pk"),
            "invitations": own.invitations.filter(accepted=None).order_by("expires") if member.leads else (),
            "rename": rename
            or TeamForm(initial={"name": own.name, "affiliation": own.affiliation}, auto_id="team_%s"),
            "invite": invite or AddressForm(auto_id="invite_%s"),
            "now": timezone.now(),
        },
        status=422 if rename or invite else 200,
    )
