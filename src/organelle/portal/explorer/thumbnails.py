"""Small pictures of crops: made beforehand of data on this machine, never by asking another one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from organelle.catalog import Catalog, Crop, em_path
from organelle.errors import NotFound, SettingsError
from organelle.files import whole
from organelle.portal.folder import PortalFolder
from organelle.progress import track
from organelle.scenes import png_bytes
from organelle.stores import as_place


def thumbnail_folder(folder: PortalFolder) -> Path:
    """Where they lie in the folder of a portal."""
    return folder.root / "thumbnails"


def thumbnail_of(crop: Crop) -> Path | None:
    """The picture of a crop; None when none was made."""
    if settings.FOLDER is None:
        return None
    path = thumbnail_folder(settings.FOLDER) / f"{crop.name}.png"
    return path if path.is_file() else None


def make_thumbnails(
    catalog: Catalog, data: Path | str, folder: Path | str, *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Draw every crop whose volumes lie below `data`; returns the pictures that were made.

    A training crop is drawn with its labels, a test crop as EM alone. EM that lies elsewhere, as a `.link`
    may say, is left out: nothing is asked for over a network. Crops without any volume get no picture.

    Args:
        catalog: says which crops there are.
        data: a folder on this machine in the bucket's layout.
        folder: receives `crop111.png`, ...
        overwrite: draw again what is there; else it is left as it is.

    Raises:
        SettingsError: `data` is an address.
    """
    root = as_place(data)
    if not isinstance(root, Path):
        raise SettingsError(f"{data} is an address; thumbnails are drawn from a folder of this machine")
    made = []
    for dataset in track(list(catalog.datasets), "thumbnails"):
        crops = [crop for crop in catalog.crops.values() if crop.dataset == dataset]
        new = [c for c in crops if overwrite or not (Path(folder) / f"{c.name}.png").exists()]
        made += [*_draw(catalog, root, dataset, new, Path(folder), overwrite)]
    return tuple(made)


def _draw(
    catalog: Catalog, data: Path, dataset: str, crops: Iterable[Crop], folder: Path, overwrite: bool
) -> Iterable[Path]:
    from organelle.visualize import Choice, ImageKind, visualize
    from organelle.visualize.drawing import Drawing

    is_local = isinstance(em_path(data, dataset), Path)
    kinds = (ImageKind.EM, ImageKind.TRUTH) if is_local else (ImageKind.TRUTH,)
    for crop in crops:
        try:
            choice = Choice(datasets=[dataset], crops=[crop.id], kinds=kinds)
            drawing = Drawing.of(visualize(catalog, choice, data=data, work=folder), crop)
        except NotFound:
            continue
        if drawing.em is None and not drawing.labels:
            continue
        path = folder / f"{crop.name}.png"
        with whole(path, overwrite=overwrite) as part:
            part.write_bytes(png_bytes(drawing.thumbnail()))
        yield path
