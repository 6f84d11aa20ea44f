"""What a reader asks for in the address: `/crops/?organism=human&class=mito&coarsest=8&split=test`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from organelle.catalog import CropFilter
from organelle.errors import SettingsError

LONGEST = 200
"""Letters of an answer that are read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they stand in the address; an empty one lets everything through.

    Attributes:
        organism: whole words of it.
        dataset: its name.
        class_name: `class` in the address: annotated, or asked for.
        split: `train`, `test`, or nothing for both.
        finest: no axis of the labels is finer than so many nm.
        coarsest: no axis of the labels is coarser than so many nm.
    """

    organism: str = ""
    dataset: str = ""
    class_name: str = ""
    split: str = ""
    finest: str = ""
    coarsest: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        """What stands in a query; other keys are passed over."""
        names = {field.name: field.name.removesuffix("_name") for field in fields(cls)}
        return cls(**{name: query.get(key, "").strip()[:LONGEST] for name, key in names.items()})

    @property
    def is_open(self) -> bool:
        """Whether nothing was asked for."""
        return self == Asked()

    def filter(self) -> CropFilter:
        """The same for the catalog.

        Raises:
            SettingsError: a size that is no number, or a split that is none.
        """
        if self.split not in ("", "train", "test"):
            raise SettingsError(f'split {self.split!r} is none; write "train" or "test"')
        return CropFilter(
            datasets=_one(self.dataset),
            classes=_one(self.class_name),
            organisms=_one(self.organism),
            min_voxel_size_nm=_nm(self.finest),
            max_voxel_size_nm=_nm(self.coarsest),
            split="train" if self.split == "train" else "test" if self.split == "test" else "all",
        )


def _one(text: str) -> list[str] | None:
    return [text] if text else None


def _nm(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no voxel size; write a number of nm above 0") from None
