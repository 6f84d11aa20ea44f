"""Finding datasets, crops and classes by words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from organelle.catalog import ClassEntry, Crop, list_classes
from organelle.portal.explorer.collection import DatasetFacts, list_facts, the_catalog

MOST_WORDS = 8

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Found:
    """What fits all words, in the order of the tables; exact names first."""

    words: tuple[str, ...]
    datasets: tuple[DatasetFacts, ...] = ()
    crops: tuple[Crop, ...] = ()
    classes: tuple[ClassEntry, ...] = ()

    @property
    def total(self) -> int:
        """How many things were found."""
        return len(self.datasets) + len(self.crops) + len(self.classes)


def search(text: str) -> Found:
    """Everything of the catalog in whose names and facts each word of `text` stands.

    A crop is found by its number, its dataset, that dataset's facts, and `train` or `test`; a class by its
    name and its long name. Without a word nothing is found.
    """
    words = tuple(dict.fromkeys(re.findall(r"[\w.-]+", text.casefold())))[:MOST_WORDS]
    if not words:
        return Found(())
    everything = {facts.dataset.name: facts for facts in list_facts()}
    about = {name: _about(facts) for name, facts in everything.items()}
    crops = the_catalog().crops.values()
    return Found(
        words,
        datasets=_first(words, [(f, f.dataset.name, about[name]) for name, f in everything.items()]),
        crops=_first(words, [(c, c.name, f"{_crop_words(c)} {about[c.dataset]}") for c in crops]),
        classes=_first(
            words,
            [
                (entry, entry.organelle.name, f"{entry.organelle.name} {entry.organelle.long_name}")
                for entry in list_classes(the_catalog())
            ],
        ),
    )


def _about(facts: DatasetFacts) -> str:
    dataset = facts.dataset
    told = (dataset.name, dataset.organism, dataset.sample, dataset.kind, dataset.preparation, facts.doi)
    return " ".join(text for text in told if text)


def _crop_words(crop: Crop) -> str:
    return f"{crop.name} {'test' if crop.is_test else 'train training'} crop"


def _first(words: tuple[str, ...], things: Iterable[tuple[Thing, str, str]]) -> tuple[Thing, ...]:
    """Those that hold each word, the ones that are called so first."""
    fitting = [(thing, name) for thing, name, text in things if _fits(words, text.casefold())]
    fitting.sort(key=lambda pair: pair[1].casefold() not in words)
    return tuple(thing for thing, _ in fitting)


def _fits(words: tuple[str, ...], text: str) -> bool:
    """Numbers fit whole numbers only: `11` does not find crop 111."""
    return all(
        re.search(rf"(?<!\d){re.escape(word)}(?!\d)", text) if word.isdigit() else word in text
        for word in words
    )
