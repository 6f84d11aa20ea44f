"""Posts: drafts, times, feeds; nothing that a post holds may run."""

from __future__ import annotations

import json
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from organelle.portal.news.models import Post

NOW = timezone.now()
ATOM = "{http://www.w3.org/2005/Atom}"


def written(slug="open", title="We are open", body="Hello", **values) -> Post:
    values = {"published": NOW - timedelta(hours=1)} | values
    return Post.objects.create(slug=slug, title=title, body=body, **values)


@pytest.fixture
def three(db):
    """One that is out, a draft, and one for tomorrow."""
    return [
        written("out", "Out", "See [the rules](/rules/)."),
        written("draft", "Hidden draft", published=None),
        written("later", "Hidden later", published=NOW + timedelta(days=1)),
    ]


FEEDS = ("/news/feed.atom", "/news/feed.rss", "/news/feed.json")


@pytest.mark.parametrize("address", ["/news/", "/", *FEEDS])
def test_only_what_is_out_is_seen(client, three, address):
    text = client.get(address).content.decode()
    assert "Out" in text
    assert "Hidden" not in text


def test_drafts_and_scheduled_posts_are_organisers_business(client, three, signed_in, organiser):
    for slug in ("draft", "later", "never-was"):
        assert client.get(f"/news/{slug}/").status_code == 404
    client.force_login(organiser)
    assert "Only organisers see this" in client.get("/news/draft/").content.decode()
    assert "Only organisers" not in client.get("/news/out/").content.decode()
    assert client.get("/news/never-was/").status_code == 404


ATTACKS = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    '<a href="https://evil.example" onclick="x()">y</a>',
    "[x](https://lab.example 'title\" onload=\"x')",
    "<iframe src=//evil.example></iframe>",
    "[x]: data:text/html,boo\n[x]",
]


@pytest.mark.parametrize("body", ATTACKS)
def test_markdown_brings_no_code_in(client, db, body):
    written(body=body)
    for address in ("/news/open/", "/news/feed.atom", "/news/feed.json"):
        text = client.get(address).content.decode()
        if address.endswith("json"):
            text = json.loads(text)["items"][0]["content_html"]
        elif address.endswith("atom"):
            text = ElementTree.fromstring(text).find(f"{ATOM}entry/{ATOM}summary").text
        else:
            text = text[text.index("<article>") : text.index("</article>")]
        for tag, attributes in tags_in(text):
            assert tag in {"p", "a", "article", "h1", "time"}
            assert set(attributes) <= {"href", "rel", "title", "class", "datetime"}
            assert not attributes.get("href", "").startswith(("javascript", "data"))


def tags_in(html: str) -> list[tuple[str, dict[str, str]]]:
    """What a browser would make of it."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(html)
    return found


def test_the_first_words_of_a_post_leave_code_out(client, db):
    body = "How to *begin*:\n\n```\ncsc fetch-data\n```\n\nThe rules say more."
    Post.objects.create(title="Open", slug="open", body=body, published=timezone.now())
    html = client.get("/news/").content.decode()
    assert "How to begin:" in html
    assert "The rules say more." in html
    assert "csc fetch-data" not in html


def test_links_are_not_followed_by_machines(client, db):
    written(body="[there](https://lab.example/)")
    assert 'rel="nofollow"' in client.get("/news/open/").content.decode()


def test_the_atom_feed_has_what_its_standard_asks(client, three, settings):
    answer = client.get("/news/feed.atom")
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(answer.content)
    for element in ("id", "title", "updated", f"author/{ATOM}name"):
        assert feed.find(f"{ATOM}{element}").text
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links["self"] == f"{settings.PORTAL_URL}/news/feed.atom"
    (entry,) = feed.findall(f"{ATOM}entry")
    assert entry.find(f"{ATOM}id").text == f"{settings.PORTAL_URL}/news/out/"
    assert entry.find(f"{ATOM}updated").text
    assert f'href="{settings.PORTAL_URL}/rules/"' in entry.find(f"{ATOM}summary").text


def test_the_rss_feed_names_itself_and_its_items(client, three, settings):
    channel = ElementTree.fromstring(client.get("/news/feed.rss").content).find("channel")
    assert channel.find("link").text == f"{settings.PORTAL_URL}/news/"
    assert channel.find(f"{ATOM}link").get("href") == f"{settings.PORTAL_URL}/news/feed.rss"
    guid = channel.find("item/guid")
    assert (guid.get("isPermaLink"), guid.text) == ("true", f"{settings.PORTAL_URL}/news/out/")
    assert channel.find("item/pubDate").text.endswith("+0000")


def test_the_json_feed_is_one(client, three, settings):
    feed = client.get("/news/feed.json").json()
    assert feed["version"].endswith("/1.1")
    (item,) = feed["items"]
    assert item["id"] == item["url"] == f"{settings.PORTAL_URL}/news/out/"
    assert f'href="{settings.PORTAL_URL}/rules/"' in item["content_html"]


@pytest.mark.parametrize("address", FEEDS)
def test_a_feed_that_has_not_changed_is_not_sent_again(client, three, address):
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("address", ["/news/", *FEEDS])
def test_no_news_is_a_page_too(client, db, address):
    assert client.get(address).status_code == 200


def test_old_posts_are_on_later_pages(client, db):
    for number in range(25):
        written(f"post-{number}", f"Post {number}")
    first, second = (client.get(f"/news/?page={n}").content.decode() for n in (1, 2))
    assert first.count("<article") == 20
    assert second.count("<article") == 5
    assert client.get("/news/?page=no").status_code == 200


def test_organisers_write_and_preview(client, organiser):
    client.force_login(organiser)
    values = {"title": "New", "slug": "subscribe", "body": "**bold**", "published_0": "", "published_1": ""}
    assert "another page" in client.post("/admin/news/post/add/", values).content.decode()
    client.post("/admin/news/post/add/", values | {"slug": "new"})
    made = Post.objects.get()
    assert (made.author, made.published) == (organiser, None)
    page = client.get(f"/admin/news/post/{made.pk}/change/").content.decode()
    assert "<strong>bold</strong>" in page
    assert client.get("/admin/news/outgoingmail/").status_code == 200
    assert client.get("/admin/news/subscriber/").status_code == 200
    assert "draft" in client.get("/admin/news/post/").content.decode()


@pytest.mark.parametrize("page", ["post", "subscriber", "outgoingmail"])
def test_nobody_else_does(client, signed_in, page):
    assert client.get(f"/admin/news/{page}/", follow=True).status_code == 403
