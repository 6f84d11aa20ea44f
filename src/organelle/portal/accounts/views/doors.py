"""In and out: links, and the end of sessions."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from organelle.portal.accounts import github
from organelle.portal.accounts import sign_in as links
from organelle.portal.accounts.addresses import local
from organelle.portal.accounts.forms import AddressForm
from organelle.portal.accounts.models import LoginLink
from organelle.portal.challenge.errors import too_often
from organelle.portal.challenge.pace import client_of

TOO_MANY = "Links were asked for too often, for this address or from your network. Wait an hour."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for a link; the answer is the same whether we know the address or not."""
    going_to = local(request.POST.get("next") or request.GET.get("next"))
    if request.user.is_authenticated:
        return redirect(going_to)
    form = AddressForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _send(request, form.cleaned_data["email"], going_to)
    page = render(
        request,
        "accounts/sign_in.html",
        {"form": form, "next": going_to, "github": github.is_offered()},
        status=422 if form.is_bound else 200,
    )
    if github.is_offered():
        page["Content-Security-Policy"] = github.policy()
    return page


def _send(request: HttpRequest, email: str, going_to: str) -> HttpResponse:
    if links.too_many(email, client_of(request)):
        return too_often(request, TOO_MANY, links.PERIOD_S)
    if not links.send_link(email, going_to):
        return render(request, "accounts/mail_trouble.html", status=503)
    return redirect("/sign-in/sent/")


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """What to do next."""
    return render(request, "accounts/sent.html", {"by_console": not settings.PORTAL.mail.host})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, word: str) -> HttpResponse:
    """A link out of a mail: a look does not use it up, so that programs that look into mails do no harm."""
    try:
        return _use(request, word) if request.method == "POST" else _ask(request, links.find_link(word))
    except links.LinkGone as error:
        return render(request, "accounts/link_gone.html", {"reason": str(error)}, status=410)
    except links.AccountClosed as error:
        return render(request, "accounts/link_gone.html", {"reason": str(error)}, status=403)


def _ask(request: HttpRequest, found: LoginLink, form: AddressForm | None = None) -> HttpResponse:
    """The button; the first organiser is asked for an address, too."""
    if found.moves and found.moves != request.user:
        return render(request, "accounts/link_elsewhere.html", status=403)
    form = form or (AddressForm() if found.makes_organiser else None)
    status = 422 if form and form.is_bound else 200
    return render(request, "accounts/link.html", {"link": found, "form": form}, status=status)


def _use(request: HttpRequest, word: str) -> HttpResponse:
    found = links.find_link(word)
    form = AddressForm(request.POST) if found.makes_organiser else None
    if (form and not form.is_valid()) or (found.moves and found.moves != request.user):
        return _ask(request, found, form)
    person, used = links.use_link(word, form.cleaned_data["email"] if form else "")
    if not used.moves:
        links.enter(request, person, "by link")
    return HttpResponseRedirect(local(used.next))


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    logout(request)
    return redirect("/")
