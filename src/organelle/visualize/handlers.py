"""What the viewer's server answers to each address. Loads tornado, so it is imported only to serve."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado import web

from organelle.errors import OrganelleError
from organelle.scenes import VIEWER
from organelle.visualize.pages import index_page
from organelle.visualize.scene import Scene

THREADS = 16
"""Chunks that are read at one time; a browser asks for six at once from each tab."""

CLIENT = "/v/viewer/"
"""The client takes `/v/NAME/` from its address, and listens at `/events/NAME`."""

LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
LOCAL_ORIGIN = re.compile(rf"https?://{LOCAL_HOST.pattern}", re.IGNORECASE)
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
DATA = r"/data/(em/[^/]+|[a-z]+/crop\d+/\w+)/(?:(s\d+)/)?(\.zattrs|\.zgroup|\.zarray|(?:\d{1,9}/){2}\d{1,9})"
"""An image, perhaps one of its levels, and metadata or the numbers of a chunk: all that can be asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its type; with `location` the browser goes there."""

    body: bytes
    content_type: str = "application/octet-stream"
    location: str | None = None


Reply = Callable[..., Answer | None]
"""From the host that was asked and the parts of the address; None for 404. Runs beside the event loop."""


def application(scene: Scene, client: Path) -> web.Application:
    """All addresses: start page, views, states, voxels, and the client's own files in the folder `client`."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="viewer")

    def route(pattern: str, reply: Reply) -> tuple[str, type[web.RequestHandler], dict[str, Any]]:
        return pattern, Replies, {"reply": reply, "pool": pool}

    def start(_: str) -> Answer:
        return Answer(index_page(scene).encode(), "text/html; charset=utf-8")

    def view(host: str, name: str) -> Answer | None:
        place = f"{CLIENT}#!http://{host}/state/{quote(name)}"
        return Answer(b"", "text/html", place) if name in scene.views else None

    def state(host: str, name: str) -> Answer | None:
        if name not in scene.views:
            return None
        return _json(scene.state(name, f"http://{host}/data"))

    def data(_: str, key: str, level: str | None, name: str) -> Answer | None:
        body = scene.stored(key, level, name)
        kind = "application/json" if name.startswith(".") else "application/octet-stream"
        return None if body is None else Answer(body, kind)

    return web.Application(
        [
            route(r"/", start),
            route(r"/view/([^/]+)", view),
            route(r"/state/([^/]+)", state),
            route(DATA, data),
            (r"/events/viewer", Events),
            (rf"{CLIENT}(.*)", ClientFiles, {"path": str(client), "default_filename": "index.html"}),
        ],
        default_handler_class=Nothing,
        compress_response=True,
        log_function=lambda _: None,
    )


class Guarded(web.RequestHandler):
    """Answers only to this machine's own names; lets pages of this machine and the public viewer read."""

    def prepare(self) -> None:
        """Refuse a name that was turned to this machine from outside."""
        if not LOCAL_HOST.fullmatch(self.request.host):
            raise web.HTTPError(403, reason="Only localhost is served")

    def set_default_headers(self) -> None:
        """CORS for the few who may read."""
        self.set_header("Server", "organelle")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Vary", "Origin")
        origin = self.request.headers.get("Origin", "")
        if LOCAL_ORIGIN.fullmatch(origin) or origin == VIEWER:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
            self.set_header("Access-Control-Allow-Headers", "Range, If-None-Match")
            self.set_header("Access-Control-Expose-Headers", "Content-Range, Content-Length, ETag")

    def options(self, *_: str) -> None:
        """What a browser asks before it asks."""
        self.set_status(204)

    def write_error(self, status_code: int, **_: Any) -> None:
        """A line of text."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {self._reason}\n")


class Nothing(Guarded):
    """Any other address."""

    def get(self, *_: str) -> None:
        """404."""
        raise web.HTTPError(404)

    head = get


class Replies(Guarded):
    """Whole answers or parts of them, from a function that may take its time."""

    def initialize(self, reply: Reply, pool: ThreadPoolExecutor) -> None:
        """Called by tornado with the route's arguments."""
        self._reply, self._pool = reply, pool

    async def get(self, *parts: str) -> None:
        """Answer, with an ETag that tornado makes of the body."""
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._pool, self._reply, self.request.host, *parts)
        except OrganelleError as error:
            self.set_status(500)
            answer = Answer(f"{error}\n".encode(), "text/plain; charset=utf-8")
        if answer is None:
            raise web.HTTPError(404)
        if answer.location is not None:
            self.set_status(302)
            self.set_header("Location", answer.location)
        self._send(answer)

    async def head(self, *parts: str) -> None:
        """As `get`; tornado leaves the body out."""
        await self.get(*parts)

    def _send(self, answer: Answer) -> None:
        self.set_header("Content-Type", answer.content_type)
        self.set_header("Accept-Ranges", "bytes")
        size = len(answer.body)
        try:
            part = byte_range(self.request.headers.get("Range"), size)
        except ValueError:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{size}")
            return
        if part is not None:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{size}")
        self.write(answer.body if part is None else answer.body[part])


class Events(Guarded):
    """The client waits here for states from Python; none come, but it should not call that a failure."""

    async def get(self) -> None:
        """Stay open until the client goes."""
        self._gone = asyncio.Event()
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        await self.flush()
        await self._gone.wait()

    def on_connection_close(self) -> None:
        """The tab was closed, or the server stops."""
        self._gone.set()


class ClientFiles(Guarded, web.StaticFileHandler):
    """The viewer's own files."""

    def parse_url_path(self, url_path: str) -> str:
        """A name that no file can have is not there."""
        if "\0" in url_path:
            raise web.HTTPError(404)
        return super().parse_url_path(url_path)


def byte_range(text: str | None, size: int) -> slice | None:
    """The part of `size` bytes that a Range header asks for; None for all of it.

    Only one range in bytes is understood; a server may ignore others (RFC 9110, 14.2).

    Raises:
        ValueError: none of these bytes exists.
    """
    match = RANGE.fullmatch((text or "").replace(" ", ""))
    first, last = match.groups() if match else ("", "")
    if (not first and not last) or (first and last and int(last) < int(first)):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise ValueError(f"no bytes {text} in {size}")
    return slice(start, stop)


def _json(record: Any) -> Answer:
    return Answer(json.dumps(record).encode(), "application/json")
