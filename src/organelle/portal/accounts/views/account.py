"""One's own account: name, address, sessions, tokens, export, farewell."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from organelle.portal.accounts import personal, sessions
from organelle.portal.accounts import sign_in as links
from organelle.portal.accounts.forms import AddressForm, FarewellForm, NameForm, TokenForm
from organelle.portal.accounts.teams import team_of
from organelle.portal.accounts.tokens import TokenError, make_token, revoke_token
from organelle.portal.accounts.views.doors import TOO_MANY
from organelle.portal.challenge.errors import too_often
from organelle.portal.challenge.pace import client_of
from organelle.portal.challenge.rules import rules_version


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Name and mail; and all that is one's own."""
    person = request.user
    form = NameForm(request.POST or None, initial={"name": person.name, "mail_scores": person.mail_scores})
    if request.method == "POST" and form.is_valid():
        personal.change(person, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("/account/")
    return render(
        request,
        "accounts/account.html",
        {
            "form": form,
            "address_form": AddressForm(auto_id="new_%s"),
            "team": team_of(person),
            "rules": rules_version(),
            "sign_ins": sessions.living(person),
            "this_key": request.session.session_key,
            "linked": person.socialaccount_set.exists(),
        },
        status=422 if form.is_bound else 200,
    )


@login_required
@require_POST
def move(request: HttpRequest) -> HttpResponse:
    """Mail a link to a new address; it is ours only when the link has come back."""
    form = AddressForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This is no mail address; type it once more.")
        return redirect("/account/")
    email = form.cleaned_data["email"]
    if links.too_many(email, client_of(request)):
        return too_often(request, TOO_MANY, links.PERIOD_S)
    if not links.send_move(request.user, email):
        return render(request, "accounts/mail_trouble.html", status=503)
    messages.success(
        request, "A link was sent to the new address. Open it here, in this browser, to make the change."
    )
    return redirect("/account/")


@login_required
@require_POST
def end_session(request: HttpRequest, number: int) -> HttpResponse:
    """Sign out in another browser."""
    sign_in = get_object_or_404(sessions.living(request.user), pk=number)
    sessions.end_one(sign_in)
    messages.success(request, "Signed out there.")
    return redirect("/account/")


@login_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere else."""
    sessions.end_others(request.user, but=request.session.session_key)
    messages.success(request, "Signed out everywhere else.")
    return redirect("/account/")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """One's tokens; a new one is shown in the answer to the form, once."""
    form = TokenForm(request.POST or None, person=request.user)
    word = ""
    if request.method == "POST" and form.is_valid():
        try:
            _, word = make_token(request.user, **form.cleaned_data)
        except TokenError as error:
            form.add_error(None, str(error))
        else:
            form = TokenForm(person=request.user)
    return render(
        request,
        "accounts/tokens.html",
        {"form": form, "word": word, "tokens": request.user.tokens.all(), "now": timezone.now()},
        status=422 if form.is_bound else 200,
    )


@login_required
@require_POST
def revoke(request: HttpRequest, number: int) -> HttpResponse:
    """End a token."""
    token = get_object_or_404(request.user.tokens, pk=number)
    revoke_token(token, request.user)
    messages.success(request, f"The token {token.prefix}... works no more.")
    return redirect("/account/tokens/")


@never_cache
@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """All that is kept about oneself, as a file."""
    answer = JsonResponse(
        personal.take_along(request.user), json_dumps_params={"indent": 2, "ensure_ascii": False}
    )
    answer["Content-Disposition"] = 'attachment; filename="account.json"'
    return answer


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Go, for good."""
    form = FarewellForm(request.POST or None, expected=request.user.email)
    if request.method == "POST" and form.is_valid():
        try:
            personal.forget(request.user)
        except personal.LastOrganiser as error:
            form.add_error(None, str(error))
        else:
            logout(request)
            messages.success(request, "Your account is deleted.")
            return redirect("/")
    return render(
        request,
        "accounts/delete.html",
        {"form": form, "team": team_of(request.user)},
        status=422 if form.is_bound else 200,
    )
