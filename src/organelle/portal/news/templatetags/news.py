"""`{% load news %}`: posts in the templates of other rooms."""

from __future__ import annotations

import re

from django import template
from django.db.models import QuerySet
from django.utils.html import strip_tags
from django.utils.text import Truncator

from organelle.portal.challenge.markdown import to_html
from organelle.portal.news.models import Post
from organelle.portal.news.posting import visible

register = template.Library()

WORDS = 40


@register.simple_tag
def latest_posts(most: int = 3) -> QuerySet:
    """The newest posts that are out."""
    return visible()[:most]


@register.filter
def beginning(post: Post) -> str:
    """The first words of a post, as plain text; code to copy is left out."""
    from html import unescape

    html = re.sub(r"<pre>.*?</pre>", "", to_html(post.body), flags=re.DOTALL)
    return Truncator(unescape(strip_tags(html))).words(WORDS)
