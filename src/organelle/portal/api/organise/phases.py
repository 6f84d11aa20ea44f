"""When submissions open and close."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.forms import modelform_factory
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status

from organelle.portal.api.answers import answers, changes
from organelle.portal.api.asking import Asked, Moment, Words
from organelle.portal.api.organise.keeping import drop, keep
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.challenge.models import Phase

router = Router(tags=["organise: phases"], auth=ORGANISER)
Kind = Literal["announced", "open", "closed", "final"]
PhaseForm: Any = modelform_factory(Phase, fields=("kind", "starts", "note"))


class PhaseEntry(Schema):
    """A phase lasts until the next one begins."""

    id: int
    kind: str
    starts: datetime
    note: str


class NewPhase(Asked):
    """A phase to be added."""

    kind: Kind
    starts: Moment
    note: Words = ""


class PhaseChange(Asked):
    """Fields that may be changed; those that are not given stay."""

    kind: Kind | None = None
    starts: Moment | None = None
    note: Words | None = None


@router.get("/phases", response=answers(list[PhaseEntry], 403), summary="Phases, with their numbers")
def phases(request: HttpRequest) -> Any:  # noqa: ARG001
    """In order; none when the challenge is always open."""
    return list(Phase.objects.all())


@router.post("/phases", response=changes(PhaseEntry, 409, status=201), summary="Add a phase")
def add(request: HttpRequest, asked: NewPhase) -> Status:
    """No two begin at one moment."""
    return Status(201, keep(PhaseForm, Phase(), asked.dict(), request.auth))


@router.patch("/phases/{int:number}", response=changes(PhaseEntry, 404, 409), summary="Change a phase")
def change(request: HttpRequest, number: int, change: PhaseChange) -> Any:
    """Its kind, its beginning, its note."""
    return keep(PhaseForm, get_object_or_404(Phase, pk=number), change.dict(exclude_none=True), request.auth)


@router.delete("/phases/{int:number}", response=changes(None, 404, status=204), summary="Remove a phase")
def remove(request: HttpRequest, number: int) -> Status:
    """The one before it lasts longer then."""
    drop(get_object_or_404(Phase, pk=number), request.auth)
    return Status(204, None)
