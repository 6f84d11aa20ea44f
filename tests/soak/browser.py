"""A real browser in front of a running `csc visualize`."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

CSC = Path(sys.executable).with_name("csc")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OFFLINE = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
SOFTWARE_WEBGL = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
SIZE = {"width": 640, "height": 480}
PATIENCE_MS = 60_000
WITHOUT_BUTTONS = "[class*=layout-controls], [class*=dimensions-widget] { display: none !important }"
BARE = {"showAxisLines": False, "showDefaultAnnotations": False, "showScaleBar": False, "layout": "xy"}


@contextmanager
def csc_visualize(*options: str | Path) -> Iterator[str]:
    """The link that a running `csc visualize` prints."""
    command = [CSC, "visualize", "--no-browser", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def chromium(size: dict[str, int] | None = None) -> Iterator[Page]:
    """A tab with WebGL in software."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE, *SOFTWARE_WEBGL])
        try:
            yield browser.new_page(viewport=size or SIZE)
        finally:
            browser.close()


def wait_until_drawn(page: Page) -> None:
    """Until every source is loaded, every visible chunk is here, and the picture stays as it is."""
    page.wait_for_function("window.viewer && viewer.state.toJSON().layers", timeout=PATIENCE_MS)
    page.wait_for_function("viewer.isReady()", timeout=PATIENCE_MS)
    last, deadline = b"", time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        page.wait_for_timeout(400)
        picture = page.screenshot()
        if picture == last and page.evaluate("viewer.isReady()"):
            return
        last = picture
    raise AssertionError("the viewer never came to rest")


def look_straight(
    page: Page, layer: dict[str, Any], position_nm: Sequence[float], nm_per_pixel: float
) -> np.ndarray:
    """The only panel, x to the right and y downwards, with one layer as it is but for the given keys: RGB."""
    page.add_style_tag(content=WITHOUT_BUTTONS)
    page.evaluate(
        """([layer, bare, position, scale]) => {
            for (const name of ["showUIControls", "showPanelBorders"])
                viewer.uiConfiguration[name].value = false;
            const state = viewer.state.toJSON();
            const shown = state.layers.find((l) => l.name === layer.name);
            Object.assign(shown, layer, { visible: true, archived: false });
            Object.assign(state, bare, { layers: [shown], position, crossSectionScale: scale });
            delete state.layerListPanel;
            delete state.selectedLayer;
            viewer.state.reset();
            viewer.state.restoreState(state);
        }""",
        [layer, BARE, list(position_nm), nm_per_pixel],
    )
    wait_until_drawn(page)
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


@contextmanager
def forwarded(port: int) -> Iterator[int]:
    """Another port of this machine that leads to `port`, as a tunnel does."""
    with closing(socket.create_server(("127.0.0.1", 0))) as entry:
        threading.Thread(target=_accept, args=(entry, port), daemon=True).start()
        yield entry.getsockname()[1]


def _accept(entry: socket.socket, port: int) -> None:
    while True:
        try:
            near, _ = entry.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", port))
        for a, b in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=(a, b), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with closing(target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            return
