"""News: written, scheduled, published, changed, removed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from ninja import Field, Router, Schema, Status

from organelle.portal.api.answers import Listing, answers, changes, listing
from organelle.portal.api.asking import LIMIT, OFFSET, Asked, Moment, Words
from organelle.portal.api.organise.keeping import drop, keep
from organelle.portal.api.scopes import ORGANISER
from organelle.portal.news.forms import PostForm
from organelle.portal.news.models import Post
from organelle.portal.news.posting import address_of, of_stage, stage_of

router = Router(tags=["organise: news"], auth=ORGANISER)
LONGEST_SLUG = 80
WHEN = "without a time it is a draft; with one to come it appears then, and is mailed then"


class PostFull(Schema):
    """A post, whether people see it or not; the stage is draft, scheduled or out."""

    id: int
    slug: str
    title: str
    body: str
    url: str
    stage: str
    published: datetime | None
    mailed: datetime | None
    author_id: int | None


class NewPost(Asked):
    """A post to be made; the body is Markdown. Without a slug it has one made of its title."""

    title: Words
    body: str
    slug: Words = ""
    published: Moment | None = Field(None, description=WHEN)


class PostChange(Asked):
    """Fields that may be changed; those that are not given stay. A time of null makes it a draft again."""

    title: Words | None = None
    body: str | None = None
    slug: Words | None = None
    published: Moment | None = Field(None, description=WHEN)


@router.get("/posts", response=answers(Listing[PostFull], 403, 422), summary="All posts")
def posts(
    request: HttpRequest,  # noqa: ARG001
    stage: Literal["", "draft", "scheduled", "out"] = "",
    limit: int = LIMIT,
    offset: int = OFFSET,
) -> dict[str, Any]:
    """Newest first; `stage` (draft, scheduled, out) chooses some."""
    return listing(of_stage(stage) if stage else Post.objects.all(), limit, offset, _record)


@router.get("/posts/{int:number}", response=answers(PostFull, 403, 404), summary="One post")
def post(request: HttpRequest, number: int) -> dict[str, Any]:  # noqa: ARG001
    """Drafts, too."""
    return _record(get_object_or_404(Post, pk=number))


@router.post("/posts", response=changes(PostFull, 409, status=201), summary="Write a post")
def write(request: HttpRequest, asked: NewPost) -> Status:
    """Whoever writes it is its author."""
    author: Any = request.auth
    given = asked.dict() | {"slug": asked.slug or slugify(asked.title)[:LONGEST_SLUG]}
    return Status(201, _record(keep(PostForm, Post(author=author), given, author)))


@router.patch("/posts/{int:number}", response=changes(PostFull, 404, 409), summary="Change or publish a post")
def change(request: HttpRequest, number: int, change: PostChange) -> dict[str, Any]:
    """What was mailed is not mailed again."""
    given = change.dict(exclude_unset=True)
    kept = {key: value for key, value in given.items() if value is not None or key == "published"}
    return _record(keep(PostForm, get_object_or_404(Post, pk=number), kept, request.auth))


@router.delete("/posts/{int:number}", response=changes(None, 404, status=204), summary="Remove a post")
def remove(request: HttpRequest, number: int) -> Status:
    """Mails that have left cannot be called back."""
    drop(get_object_or_404(Post, pk=number), request.auth)
    return Status(204, None)


def _record(entry: Post) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "slug": entry.slug,
        "title": entry.title,
        "body": entry.body,
        "url": address_of(entry),
        "stage": stage_of(entry),
        "published": entry.published,
        "mailed": entry.mailed,
        "author_id": entry.author_id,
    }
