"""Draw the pictures of the viewer: run `python docs/screenshots.py` after a change of viewer or phantom.

Needs Chromium; WebGL is done in software. All that is seen comes from a phantom.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from scipy.ndimage import gaussian_filter

from organelle.catalog import Catalog, load_catalog, prediction_path
from organelle.classes import Kind
from organelle.phantom import PhantomSettings, write_phantom
from organelle.visualize import Choice, serve, visualize, write_sheets
from organelle.volumes import open_multiscale, write_multiscale

PICTURES = Path(__file__).parent / "pictures"
CLASSES = ("pm", "nuc", "golgi", "mito", "er", "ld")
CROP = 11
SIZE = {"width": 1200, "height": 760}
CHROMIUM = (
    "--no-sandbox",
    "--disable-background-networking",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
STEP = 17
"""16 values of red, green and blue are enough for the documentation, in half of the bytes."""


def predict_blurred(catalog: Catalog, data: Path, work: Path, class_name: str) -> None:
    """A prediction as a network might make it: soft borders, and not everywhere sure."""
    crop = catalog.crop(CROP)
    images = visualize(catalog, Choice(crops=[CROP], classes=[class_name]), data=data, work=work).images
    (place,) = (image.place for image in images.values() if image.kind.value == "truth")
    truth = open_multiscale(place).levels[0].read()
    rng = np.random.default_rng(len(class_name))
    doubt = gaussian_filter(rng.normal(size=truth.shape), 5)
    share = gaussian_filter(((truth > 0) & (truth < 255)).astype(float), 1.5) * (0.85 + 2 * doubt)
    probability = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    write_multiscale(
        prediction_path(work, crop, class_name), probability, crop.grid, kind=Kind.IMAGE, levels=2
    )


def screenshot(page: Page, link: str) -> bytes:
    """The viewer once all has come."""
    page.goto(link)
    page.wait_for_function("window.viewer && viewer.state.toJSON().layers && viewer.isReady()")
    page.wait_for_timeout(3000)
    page.wait_for_function("viewer.isReady()")
    return page.screenshot()


def save(png: bytes, name: str) -> None:
    """Into the folder of pictures, in coarse steps of colour."""
    with Image.open(io.BytesIO(png)) as picture:
        colours = np.asarray(picture.convert("RGB"), float)
    coarse = np.rint(colours / STEP).astype(np.uint8) * STEP
    Image.fromarray(coarse).save(PICTURES / name, optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        challenge, work = Path(folder) / "challenge", Path(folder) / "work"
        write_phantom(challenge, PhantomSettings(classes=CLASSES))
        catalog, data = load_catalog(challenge), challenge / "bucket"
        for name in ("mito", "er"):
            predict_blurred(catalog, data, work, name)
        scene = visualize(catalog, Choice(crops=[CROP]), data=data, work=work)
        (sheet,) = write_sheets(scene, Path(folder) / "sheet.png")
        save(sheet.read_bytes(), "sheet.png")
        with serve(scene) as server, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
            picture = screenshot(browser.new_page(viewport=SIZE), server.url)
            browser.close()
    save(picture, "viewer.png")


if __name__ == "__main__":
    main()
