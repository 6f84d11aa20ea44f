"""Everybody's tokens: seen, and revoked."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router

from organelle.portal.accounts.models import ApiToken
from organelle.portal.accounts.tokens import revoke_token
from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, plain
from organelle.portal.api.organise.keeping import DOOR
from organelle.portal.api.people import TokenRecord
from organelle.portal.api.scopes import ORGANISER

router = Router(tags=["organise: people"], auth=ORGANISER)


class AnyToken(TokenRecord):
    """A token, and whose it is."""

    user_id: int
    email: str


@router.get("/tokens", response=answers(Listing[AnyToken], 403, 422), summary="Tokens")
def tokens(
    request: HttpRequest,  # noqa: ARG001
    search: str = TEXT,
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first, also those that are over; `search` looks into addresses and the beginnings of tokens."""
    found = ApiToken.objects.select_related("user").order_by("-created", "-pk")
    if word := plain(search):
        found = found.filter(Q(user__email__icontains=word) | Q(prefix__icontains=word))
    return listing(found, limit, offset, _token)


@router.delete("/tokens/{int:number}", response=changes(AnyToken, 404), summary="Revoke anybody's token")
def revoke(request: HttpRequest, number: int) -> dict[str, Any]:
    """It works no more."""
    token: ApiToken = get_object_or_404(ApiToken.objects.select_related("user"), pk=number)
    revoke_token(token, request.auth, by=DOOR)
    token.refresh_from_db(fields=["revoked"])
    return _token(token)


def _token(token: ApiToken) -> dict[str, Any]:
    names = ("name", "prefix", "scopes", "created", "expires", "revoked", "last_used", "user_id")
    return {name: getattr(token, name) for name in names} | {"id": token.pk, "email": token.user.email}
