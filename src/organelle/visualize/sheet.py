"""Contact sheets of all crops, and a page of them, for people without a browser or WebGL."""

from __future__ import annotations

from pathlib import Path

from organelle.catalog import Crop
from organelle.errors import FileMissing, SettingsError
from organelle.files import refuse_existing, whole
from organelle.progress import track
from organelle.scenes import png_bytes
from organelle.scenes.pictures import Picture
from organelle.visualize.drawing import Drawing
from organelle.visualize.gallery import Thumbnail, gallery_page
from organelle.visualize.scene import Scene

INDEX = "index.html"


def write_sheets(scene: Scene, out: Path | str, *, overwrite: bool = False) -> list[Path]:
    """A contact sheet `{crop}.png` for each crop of a scene, and `index.html` of them all, in a folder.

    Args:
        scene: What `visualize` found.
        out: The folder, or a name that ends in `.png` for the sheet of the only crop.
        overwrite: Whether to replace files that are there.

    Returns:
        What was written.

    Raises:
        FileMissing: there is no crop in the scene.
        SettingsError: one picture was named for several crops.
        OutputExists: something is there, and `overwrite` is false; nothing was written.
    """
    place = Path(out)
    crops = [view.crop for view in scene.views.values() if view.crop is not None]
    if not crops:
        raise FileMissing("no crop to draw; choose crops with --crops, or look at all in the viewer")
    if place.suffix.lower() == ".png":
        if len(crops) > 1:
            raise SettingsError(f"{place} is one picture for {len(crops)} crops; name a folder, or one crop")
        return [_write(place, png_bytes(contact_sheet(scene, crops[0])), overwrite=overwrite)]
    return _write_all(scene, crops, place, overwrite=overwrite)


def contact_sheet(scene: Scene, crop: Crop) -> Picture:
    """Three orthogonal slices of a crop: EM, then labels over EM for each kind; RGB (y, x, 3).

    The slices lie where the classes have most voxels. Where classes lie within each other the smaller one is
    seen.
    """
    return Drawing.of(scene, crop).sheet()


def _write_all(scene: Scene, crops: list[Crop], folder: Path, *, overwrite: bool) -> list[Path]:
    files = [folder / f"{crop.name}.png" for crop in crops]
    for file in (*files, folder / INDEX):
        refuse_existing(file, overwrite=overwrite)
    thumbnails = []
    for crop, file in track(list(zip(crops, files, strict=True)), "contact sheets"):
        drawing = Drawing.of(scene, crop)
        _write(file, png_bytes(drawing.sheet()), overwrite=overwrite)
        thumbnails.append(Thumbnail(crop, drawing.classes, drawing.thumbnail()))
    page = _write(folder / INDEX, gallery_page(thumbnails).encode(), overwrite=overwrite)
    return [*files, page]


def _write(place: Path, data: bytes, *, overwrite: bool) -> Path:
    with whole(place, overwrite=overwrite) as part:
        part.write_bytes(data)
    return place
