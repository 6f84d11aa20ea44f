"""The news for feed readers: Atom 1.0, RSS 2.0 and JSON Feed 1.1, with full addresses throughout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.utils.feedgenerator import Atom1Feed, Rss201rev2Feed

from organelle.portal.challenge.markdown import to_html
from organelle.portal.news.models import Post
from organelle.portal.news.posting import address_of

MOST_POSTS = 20

_LINK = re.compile(r'href="([^"]*)"')


def content_of(post: Post) -> str:
    """The post as HTML for other places than our pages: its links are full addresses."""
    here = address_of(post)
    return _LINK.sub(lambda found: f'href="{urljoin(here, found[1])}"', to_html(post.body))


def atom(posts: Iterable[Post]) -> str:
    """The posts as Atom 1.0 (RFC 4287)."""
    return _xml(Atom1Feed, posts, "feed.atom")


def rss(posts: Iterable[Post]) -> str:
    """The posts as RSS 2.0."""
    return _xml(Rss201rev2Feed, posts, "feed.rss")


def json_feed(posts: Iterable[Post]) -> str:
    """The posts as JSON Feed 1.1 (jsonfeed.org)."""
    record: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(),
        "home_page_url": f"{settings.PORTAL_URL}/news/",
        "feed_url": f"{settings.PORTAL_URL}/news/feed.json",
        "language": "en",
        "items": [_item(post) for post in posts],
    }
    return json.dumps(record, indent=1) + "\n"


def _xml(form: type, posts: Iterable[Post], name: str) -> str:
    feed = form(
        title=_title(),
        link=f"{settings.PORTAL_URL}/news/",
        description=f"News of {settings.PORTAL.title}",
        language="en",
        author_name=settings.PORTAL.title,
        feed_url=f"{settings.PORTAL_URL}/news/{name}",
    )
    for post in posts:
        feed.add_item(
            title=post.title,
            link=address_of(post),
            description=content_of(post),
            unique_id=address_of(post),
            unique_id_is_permalink=True,
            pubdate=post.published,
            updateddate=max(post.updated, post.published),
        )
    return str(feed.writeString("utf-8"))


def _item(post: Post) -> dict[str, Any]:
    return {
        "id": address_of(post),
        "url": address_of(post),
        "title": post.title,
        "content_html": content_of(post),
        "date_published": post.published.isoformat(),
        "date_modified": max(post.updated, post.published).isoformat(),
    }


def _title() -> str:
    return f"{settings.PORTAL.title}: news"
