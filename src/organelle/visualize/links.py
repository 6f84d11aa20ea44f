"""Public Neuroglancer links of the challenge: one for each dataset, and one for each training crop.

The viewer states lie in the public bucket; opening one needs a network.
"""

from __future__ import annotations

from dataclasses import dataclass

from organelle.catalog import PUBLIC_S3, CropFilter, load_catalog
from organelle.catalog.filters import select_crops, wanted_datasets
from organelle.catalog.listing import Row
from organelle.errors import NotFound
from organelle.scenes import VIEWER
from organelle.visualize.choice import Choice

LINK_KEYS = ("dataset", "crop", "link")


@dataclass(frozen=True, slots=True)
class PublicLink:
    """Opens a dataset, or one of its crops, in the public viewer."""

    dataset: str
    crop: int | None
    url: str

    def row(self) -> Row:
        """Under the names that `csc visualize --links --json` uses."""
        return {"dataset": self.dataset, "crop": self.crop, "link": self.url}


def public_links(choice: Choice | None = None) -> tuple[PublicLink, ...]:
    """The links of a choice of the challenge's datasets and training crops, in the order of its tables.

    Datasets come first; they are left out if crops or classes were chosen. Test crops have no public states.

    Raises:
        NotFound: a name that the challenge does not know, or test crops alone.
    """
    choice = choice or Choice()
    catalog = load_catalog()
    wanted = CropFilter(datasets=choice.datasets, classes=choice.classes, crops=choice.crops, split="train")
    whole = () if choice.crops is not None or choice.classes is not None else wanted_datasets(catalog, wanted)
    crops = select_crops(catalog, wanted)
    links = [PublicLink(name, None, _address(name)) for name in whole]
    links += [PublicLink(crop.dataset, crop.id, _address(crop.dataset, f"-{crop.name}")) for crop in crops]
    if not links:
        raise NotFound("no public link fits: only datasets and training crops of the challenge have one")
    return tuple(links)


def _address(dataset: str, which: str = "") -> str:
    folder = f"{PUBLIC_S3}/{dataset}/neuroglancer/viewer_states"
    return f"{VIEWER}#!{folder}/neuroglancer-{dataset}{which}.json"
