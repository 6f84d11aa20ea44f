"""Versions of the rules: each holds from a moment on, and asks everybody to accept again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.forms import modelform_factory
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router, Schema, Status

from organelle.portal.api.answers import answers, changes
from organelle.portal.api.asking import Asked, Moment, Words
from organelle.portal.api.organise.keeping import keep
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.challenge.models import Rules

router = Router(tags=["organise: rules"], auth=ORGANISER)
RulesForm: Any = modelform_factory(Rules, fields=("version", "text", "holds_from"))


class RulesEntry(Schema):
    """A version of the rules; the text is Markdown."""

    id: int
    version: str
    text: str
    holds_from: datetime


class NewRules(Asked):
    """A version to be added; without a moment it holds at once."""

    version: Words
    text: str
    holds_from: Moment | None = None


class RulesChange(Asked):
    """When a version holds: its words, which somebody may have accepted, stay."""

    holds_from: Moment


@router.get("/rules", response=answers(list[RulesEntry], 403), summary="All versions of the rules")
def versions(request: HttpRequest) -> Any:  # noqa: ARG001
    """Newest first, also those to come; none while the rules that came with the portal hold."""
    return list(Rules.objects.all())


@router.post("/rules", response=changes(RulesEntry, 409, status=201), summary="Add a version of the rules")
def add(request: HttpRequest, asked: NewRules) -> Status:
    """Nobody hands in under it before accepting it."""
    given = asked.dict() | {"holds_from": asked.holds_from or timezone.now()}
    return Status(201, keep(RulesForm, Rules(), given, request.auth))


@router.patch("/rules/{int:number}", response=changes(RulesEntry, 404, 409), summary="Change when it holds")
def change(request: HttpRequest, number: int, change: RulesChange) -> Any:
    """Of a version that is there."""
    return keep(RulesForm, get_object_or_404(Rules, pk=number), change.dict(), request.auth)
