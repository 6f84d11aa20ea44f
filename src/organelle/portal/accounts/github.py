"""Sign-in with GitHub, or with a server that speaks as GitHub does.

allauth talks to that server; who comes in, and how, is decided here. None of allauth's pages can be reached.
"""

from __future__ import annotations

from typing import Any, NoReturn
from urllib.parse import urlsplit

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from organelle.portal.accounts.addresses import local
from organelle.portal.accounts.models import User
from organelle.portal.accounts.sign_in import AccountClosed, enter, require_open
from organelle.portal.accounts.teams import DAY_S
from organelle.portal.challenge.errors import too_often
from organelle.portal.challenge.models import note
from organelle.portal.challenge.pace import client_of, may
from organelle.portal.headers import POLICY

PROVIDER = "github"
PER_CLIENT = 200
KEPT = ("id", "login", "name")
"""What is kept of a profile."""


class GitHubAdapter(GitHubOAuth2Adapter):
    """Knows the addresses from the configuration."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        web, api = (settings.PORTAL.github.web_url.rstrip("/"), settings.PORTAL.github.api_url.rstrip("/"))
        self.access_token_url = f"{web}/login/oauth/access_token"
        self.authorize_url = f"{web}/login/oauth/authorize"
        self.profile_url, self.emails_url = f"{api}/user", f"{api}/user/emails"

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **_: Any) -> SocialLogin:  # noqa: ARG002
        """Ask who it is, and for their addresses; of the profile little is kept, and no address."""
        headers = {"Authorization": f"token {token.token}"}
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.profile_url, headers=headers)
            answer.raise_for_status()
            profile = answer.json()
        person = {name: profile.get(name) for name in KEPT}
        return self.get_provider().sociallogin_from_response(
            request, person | {"emails": self.get_emails(headers) or []}
        )


class PortalAccounts(DefaultSocialAccountAdapter):
    """Decides who comes in."""

    def list_apps(self, request: Any, provider: Any = None, client_id: Any = None) -> list[SocialApp]:  # noqa: ARG002
        """The one in the configuration."""
        known = settings.PORTAL.github
        app = SocialApp(provider=PROVIDER, client_id=known.client, secret=known.secret)
        app.settings = {"oauth_pkce_enabled": True, "scope": ["user:email"]}
        return [app] if known.client else []

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> NoReturn:
        """Bring the person in, or say why not; allauth goes no further."""
        person = sociallogin.user if sociallogin.is_existing else _by_address(sociallogin)
        if person is None:
            _refuse(
                request, "GitHub has no confirmed mail address of you; confirm one there, or sign in by mail."
            )
        try:
            enter(request, require_open(person), "with GitHub")
        except AccountClosed as error:
            _refuse(request, str(error))
        raise ImmediateHttpResponse(HttpResponseRedirect(local(sociallogin.state.get("next"))))

    def on_authentication_error(self, request: HttpRequest, provider: Any, **_: Any) -> NoReturn:  # noqa: ARG002
        """Back to the sign-in, whatever went wrong over there; it is not shown, since it may hold secrets."""
        _refuse(request, "The sign-in with GitHub did not succeed. Try once more, or sign in by mail.")


def is_offered() -> bool:
    """Whether one can sign in with GitHub."""
    return bool(settings.PORTAL.github.client)


def policy() -> str:
    """The content security policy of a page whose form leads to GitHub."""
    where = urlsplit(settings.PORTAL.github.web_url)
    return POLICY.replace("form-action 'self'", f"form-action 'self' {where.scheme}://{where.netloc}")


@never_cache
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser to GitHub."""
    _require_offered()
    if not may("github", client_of(request), most=PER_CLIENT, seconds=DAY_S):
        return too_often(request, "Too many sign-ins from your network today; try again tomorrow.", DAY_S)
    provider = get_adapter(request).get_provider(request, PROVIDER)
    provider.oauth2_adapter_class = GitHubAdapter
    return provider.redirect(request, AuthProcess.LOGIN, next_url=local(request.POST.get("next")))


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Where GitHub sends the browser back to."""
    _require_offered()
    return _callback(request)


_callback = OAuth2CallbackView.adapter_view(GitHubAdapter)


def _require_offered() -> None:
    if not is_offered():
        raise Http404


def _by_address(login: SocialLogin) -> User | None:
    """The person with an address that GitHub has confirmed, made if there is none, and joined."""
    confirmed = [address for address in login.email_addresses if address.verified]
    if not confirmed:
        return None
    best = max(
        confirmed, key=lambda address: (address.primary, not address.email.endswith("noreply.github.com"))
    )
    person = User.objects.of(best.email)
    account = login.account
    SocialAccount.objects.create(
        user=person, provider=account.provider, uid=account.uid, extra_data=account.extra_data
    )
    note(person, "account.linked", "with GitHub")
    return person


def _refuse(request: HttpRequest, reason: str) -> NoReturn:
    messages.error(request, reason)
    raise ImmediateHttpResponse(redirect("/sign-in/"))
