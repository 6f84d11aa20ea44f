"""Pages of the news, feeds, and the doors of the mailing list."""

from __future__ import annotations

from collections.abc import Callable

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import conditional_page, require_http_methods, require_safe

from organelle.portal.challenge.markdown import to_html
from organelle.portal.challenge.pace import client_of
from organelle.portal.news import feeds, subscribing
from organelle.portal.news.forms import Subscription
from organelle.portal.news.models import Post
from organelle.portal.news.posting import visible

ON_A_PAGE = 20
FEEDS: dict[str, tuple[Callable[..., str], str]] = {
    "atom": (feeds.atom, "application/atom+xml; charset=utf-8"),
    "rss": (feeds.rss, "application/rss+xml; charset=utf-8"),
    "json": (feeds.json_feed, "application/feed+json; charset=utf-8"),
}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All posts that are out, the newest first."""
    page = Paginator(visible(), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "news/index.html", {"page": page})


@require_safe
def post(request: HttpRequest, slug: str) -> HttpResponse:
    """One post; organisers also see what is not out yet, and are told so."""
    found = visible().filter(slug=slug).first()
    is_out = found is not None
    if found is None and request.user.is_authenticated and request.user.is_organiser:
        found = Post.objects.filter(slug=slug).first()
    if found is None:
        raise Http404
    return render(request, "news/post.html", {"post": found, "html": to_html(found.body), "is_out": is_out})


@conditional_page
@require_safe
def feed(request: HttpRequest, form: str) -> HttpResponse:  # noqa: ARG001
    """The newest posts as Atom, RSS or JSON."""
    write, kind = FEEDS[form]
    return HttpResponse(write(visible()[: feeds.MOST_POSTS]), content_type=kind)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: HttpRequest) -> HttpResponse:
    """Ask for the news by mail; the answer is the same whether or not the address is known."""
    if request.method != "POST":
        known = {"email": request.user.email} if request.user.is_authenticated else {}
        return render(request, "news/subscribe.html", {"form": Subscription(initial=known)})
    form = Subscription(request.POST)
    if not form.is_valid():
        return render(request, "news/subscribe.html", {"form": form}, status=400)
    if not subscribing.ask_as(client_of(request), form.cleaned_data["email"]):
        form.add_error(None, "That was asked often from your address; try again in an hour.")
        return render(request, "news/subscribe.html", {"form": form}, status=429)
    return render(request, "news/asked.html", {"email": form.cleaned_data["email"]})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, word: str) -> HttpResponse:
    """The link in the first mail: a button, since programs that look at mail follow links."""
    found = subscribing.who_asked(word)
    if found is None:
        return render(request, "news/confirm.html", {"known": False}, status=404)
    if request.method == "POST":
        subscribing.confirm(found)
        return render(request, "news/confirm.html", {"known": True, "done": True})
    return render(request, "news/confirm.html", {"known": True, "email": found.email})


@csrf_exempt  # mail programs press this button for their users, without ever having seen the page (RFC 8058)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest, word: str) -> HttpResponse:
    """The link in each mail: a POST ends it at once, a GET only shows a button."""
    if request.method == "POST":
        subscribing.leave(word)
        return render(request, "news/leave.html", {"done": True})
    return render(request, "news/leave.html", {"done": not subscribing.gets_news(word)})
