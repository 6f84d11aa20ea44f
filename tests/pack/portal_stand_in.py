"""A portal on this machine: it takes submissions, and misbehaves as it is told."""

from __future__ import annotations

import email.parser
import email.policy
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "abc123"


@dataclass
class PortalStandIn:
    """What the portal is told to do, one word per request, and what it has seen.

    `take` reads all and answers 201; a number answers with that status after reading; `early NUMBER` before;
    `reset` breaks the connection in the middle, `lose` after all was taken; `slow` lets the answer wait;
    `silent` never answers; `html` shows a page; `other bytes` counts wrongly; `moved` sends elsewhere.
    """

    script: list[str] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    stored: dict[str, dict[str, bytes]] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    """What it says of a submission, look by look; the last one stays."""
    url: str = ""


@contextmanager
def portal(*script: str, **settings: Any) -> Iterator[PortalStandIn]:
    """Serve one until the block ends; when the script is over it takes what comes."""
    stand_in = PortalStandIn(list(script), **settings)
    handler = type("Handler", (_Handler,), {"portal": stand_in})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    portal: PortalStandIn
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        portal = self.portal
        portal.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        todo, _, number = (portal.script.pop(0) if portal.script else "take").partition(" ")
        key = self.headers["Idempotency-Key"]
        if todo == "early":
            self._say(int(number), portal.answer)
            self._drain()
        elif todo == "reset":
            self.rfile.read(10)
            self._break()
        elif todo == "silent":
            time.sleep(1.5)
        elif key in portal.stored:
            self._read()
            self._say(200, {"id": "s1", "again": True})
        else:
            self._taken(todo, number, key, self._read())

    def do_GET(self) -> None:
        records = self.portal.records
        self._say(200, records.pop(0) if len(records) > 1 else records[0])

    def _taken(self, todo: str, number: str, key: str, parts: dict[str, bytes]) -> None:
        portal = self.portal
        if todo.isdigit():
            self._say(int(todo), portal.answer)
        elif todo == "html":
            self._say(200, b"<html>Log in</html>")
        elif todo == "moved":
            self._say(308, b"")
        else:
            time.sleep(0.5 if todo == "slow" else 0)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._say(401, {"detail": "this token has expired"})
                return
            portal.stored[key] = parts
            if todo == "lose":
                self._break()
                return
            sha = "0" * 64 if todo == "other" else parts["sha256"].decode()
            self._say(201, {"id": "s1", "url": f"{portal.url}/submissions/s1", "sha256": sha})

    def _read(self) -> dict[str, bytes]:
        """The parts of the body, as Python's own parser of messages finds them."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in message.iter_parts()  # type: ignore[attr-defined]
        }

    def _drain(self) -> None:
        """Read a little more, slowly, so that the client may still be sending."""
        self.close_connection = True
        time.sleep(0.05)

    def _break(self) -> None:
        """End the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        self.rfile.close()

    def _say(self, status: int, answer: dict[str, Any] | bytes) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        extra = {"Location": "https://new.example/portal"} if status == 308 else {}
        for name, value in (self.portal.headers | extra).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def finish(self) -> None:
        """The connection may be gone."""
        try:
            super().finish()
        except (OSError, ValueError):
            return
