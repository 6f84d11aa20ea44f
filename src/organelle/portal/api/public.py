"""What the boards and the news say, open to everyone."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Query, Router, Schema
from ninja.errors import HttpError

from organelle.errors import NotFound
from organelle.portal.board.rankings import rankings_now
from organelle.portal.board.standings import standings
from organelle.portal.news.posting import address_of, visible

router = Router()
COLUMN: Any = Query("overall", max_length=100)
METRIC: Any = Query("", max_length=100)
RANKING: Any = Query("", max_length=100)


class PostRecord(Schema):
    """A piece of news; the body is Markdown."""

    slug: str
    title: str
    url: str
    published: str
    body: str


@router.get(
    "/leaderboard", auth=None, tags=["leaderboard"], response=dict[str, Any], summary="The leaderboard"
)
def leaderboard(
    request: HttpRequest,  # noqa: ARG001
    column: str = COLUMN,
    metric: str = METRIC,
    ranking: str = RANKING,
) -> dict[str, Any]:
    """`column` is overall, instance, semantic or a class; `metric` a version, by default the newest.

    `ranking` is public or final, by default the one that counts now.
    """
    try:
        chosen = rankings_now().choose(ranking)
    except NotFound as error:
        raise Http404(str(error)) from None
    try:
        return standings(column, metric or None, chosen).record()
    except NotFound as error:
        raise HttpError(422, str(error)) from None


@router.get("/news", auth=None, tags=["news"], response=list[PostRecord], summary="The news, newest first")
def news(request: HttpRequest, limit: int = Query(20, ge=1, le=100)) -> list[dict[str, Any]]:  # noqa: ARG001
    """What is published by now."""
    return [_record(post) for post in visible()[:limit]]


@router.get("/news/{slug:name}", auth=None, tags=["news"], response=PostRecord, summary="One piece of news")
def piece_of_news(request: HttpRequest, name: str) -> dict[str, Any]:  # noqa: ARG001
    """By the last part of its address."""
    post = visible().filter(slug=name).first()
    if post is None:
        raise Http404
    return _record(post)


def _record(post: Any) -> dict[str, Any]:
    return {
        "slug": post.slug,
        "title": post.title,
        "url": address_of(post),
        "published": post.published.isoformat(),
        "body": post.body,
    }
