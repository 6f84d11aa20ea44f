"""The news, their feeds, and who gets them by mail; open to everyone."""

from __future__ import annotations

from typing import Any, Literal

from django.conf import settings
from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema, Status
from ninja.errors import Throttled

from organelle.portal.api.answers import public_answers
from organelle.portal.api.asking import OFFSET, Asked, cleaned
from organelle.portal.challenge.pace import client_of
from organelle.portal.news import subscribing
from organelle.portal.news.forms import Subscription
from organelle.portal.news.models import Post
from organelle.portal.news.posting import address_of, visible
from organelle.portal.news.views import FEEDS

router = Router(tags=["news"], auth=None)
LIMIT: Any = Query(20, ge=1, le=100)


class PostRecord(Schema):
    """A piece of news; the body is Markdown."""

    slug: str
    title: str
    url: str
    published: str
    body: str


class FeedRecord(Schema):
    """A feed of the newest posts."""

    form: Literal["atom", "rss", "json"]
    type: str = Field(description="for the header Content-Type")
    url: str


class Reader(Asked):
    """Who wants the news by mail."""

    email: str = Field(max_length=254)


class Done(Schema):
    """What was done."""

    detail: str


@router.get("/news", response=public_answers(list[PostRecord], 422), summary="The news, newest first")
def news(request: HttpRequest, limit: int = LIMIT, offset: int = OFFSET) -> list[dict[str, Any]]:  # noqa: ARG001
    """What is published by now."""
    return [_record(post) for post in visible()[offset : offset + limit]]


@router.get("/news/{slug:name}", response=public_answers(PostRecord, 404), summary="One piece of news")
def piece_of_news(request: HttpRequest, name: str) -> dict[str, Any]:  # noqa: ARG001
    """By the last part of its address."""
    post = visible().filter(slug=name).first()
    if post is None:
        raise Http404
    return _record(post)


@router.get("/feeds", response=public_answers(list[FeedRecord]), summary="The feeds of the news")
def feeds(request: HttpRequest) -> list[dict[str, str]]:  # noqa: ARG001
    """The same posts as Atom, RSS and JSON Feed."""
    return [
        {"form": form, "type": kind.partition(";")[0], "url": f"{settings.PORTAL_URL}/news/feed.{form}"}
        for form, (_, kind) in FEEDS.items()
    ]


@router.post(
    "/subscribers",
    response=public_answers(Done, 400, 413, 422, status=202),
    summary="Ask for the news by mail",
)
def subscribe(request: HttpRequest, reader: Reader) -> Status:
    """A mail goes to the address; the news come once its link was opened and confirmed.

    The answer is the same whether or not the address is known.
    """
    email = cleaned(Subscription(reader.dict()))["email"]
    if not subscribing.ask_as(client_of(request), email):
        raise Throttled(wait=subscribing.AN_HOUR_S)
    return Status(202, {"detail": "a mail is on its way to this address, unless it gets the news already"})


@router.post(
    "/subscribers/{word}",
    response=public_answers(Done, 404),
    summary="Confirm that the news are wanted",
)
def confirm(request: HttpRequest, word: str) -> dict[str, str]:  # noqa: ARG001
    """`word` is the last part of the link in the first mail; it is good for a week."""
    found = subscribing.who_asked(word)
    if found is None:
        raise Http404
    subscribing.confirm(found)
    return {"detail": "the news come by mail from now on"}


@router.delete("/subscribers/{word}", response=public_answers(None, status=204), summary="Leave")
def leave(request: HttpRequest, word: str) -> Status:  # noqa: ARG001
    """`word` is the last part of the link to leave in each mail. The address is forgotten."""
    subscribing.leave(word)
    return Status(204, None)


def _record(post: Post) -> dict[str, Any]:
    return {
        "slug": post.slug,
        "title": post.title,
        "url": address_of(post),
        "published": post.published.isoformat(),
        "body": post.body,
    }
