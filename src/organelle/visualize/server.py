"""The viewer's server: client, states and voxels on one port of this machine.

It answers by name: what a request asks for is looked up among the images of the scene, and chunks by three
numbers, so that no text from outside becomes a path. A page whose name was turned to this machine (DNS
rebinding) is refused by its Host header, and other sites' scripts may read nothing but for the public viewer.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from organelle.errors import SettingsError, require_installed, require_module
from organelle.visualize.scene import Scene

LOOPBACK = "127.0.0.1"


class Server:
    """Serves a scene from a thread of its own; made by `serve`."""

    def __init__(self, scene: Scene, port: int) -> None:
        require_module("tornado", "view")
        from tornado.httpserver import HTTPServer

        from organelle.visualize.handlers import application

        self.scene = scene
        self._http = HTTPServer(application(scene, client_folder()))
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)
        self._over = threading.Event()

    @property
    def url(self) -> str:
        """The start page, as seen from this machine."""
        return f"http://{LOOPBACK}:{self.port}/"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Let it answer for some time; whether it still does."""
        # Not by joining the thread: Python 3.11 takes a thread for ended when Ctrl-C interrupts its join.
        return not self._over.wait(seconds)

    def stop(self) -> None:
        """Answer no more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._answer()
        finally:
            self._over.set()

    def _answer(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._http.add_socket(self._socket)
        self._loop.run_forever()
        self._http.stop()
        self._loop.run_until_complete(self._finish())
        self._loop.close()

    async def _finish(self) -> None:
        """Close what clients hold open, and let their answers end."""
        await self._http.close_all_connections()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def serve(scene: Scene, port: int = 0) -> Iterator[Server]:
    """Serve `scene` while the block runs; port 0 is any that is free.

    Raises:
        SettingsError: the port is in use.
        MissingExtra: the viewer is not installed.
    """
    server = Server(scene, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def client_folder() -> Path:
    """The viewer's own files, which its package brings along; `MissingExtra` without it."""
    require_installed(["neuroglancer"], "view")
    found = importlib.util.find_spec("neuroglancer")
    folders = (found.submodule_search_locations if found else None) or []
    return Path(next(iter(folders))) / "static" / "client"


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise SettingsError(
            f"port {port} cannot be used ({error.strerror}); name another with --port, or leave it out"
        ) from error
    return listener
