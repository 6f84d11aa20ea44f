from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from small_challenge import GRIDS, cubes
from test_report import Outline

from organelle.errors import OutputExists
from organelle.evaluate import write_public_report


@pytest.fixture
def spoilt(challenge):
    """Missed and negative objects, a crop that is flooded, and a class that was not handed in."""
    mito = cubes(GRIDS[11].shape).astype(np.int32)
    mito[mito == 3] = 0
    mito[0, 0, :7] = -5
    shutil.rmtree(challenge.submission / "crop11" / "mito")
    challenge.hand_in(11, "mito", mito)
    flood = np.zeros(GRIDS[12].shape, np.uint8)
    flood[::2, ::2, ::2] = 1
    shutil.rmtree(challenge.truth / "crop12" / "mito")
    challenge.add_truth(12, "mito", (cubes(GRIDS[12].shape) == 1).astype(np.uint8))
    shutil.rmtree(challenge.submission / "crop12" / "mito")
    challenge.hand_in(12, "mito", flood)
    shutil.rmtree(challenge.submission / "crop11" / "er")
    return challenge


def public(challenge):
    path = challenge.root / "public.html"
    write_public_report(challenge.evaluate(), path, overwrite=True)
    return path.read_text()


def told(page):
    """What the page says, without what it is made from: names, hashes and versions."""
    return Outline(re.sub("<style>.*?</style>", "", page, flags=re.DOTALL)).text.partition("Made from")[0]


def test_ratios_and_shares_of_classes_that_were_handed_in(spoilt):
    text = told(public(spoilt))
    scores = spoilt.evaluate().scores
    assert f"mito {scores.classes['mito'].score:.3f}" in " ".join(text.split())
    assert not re.search(r"\ber\b", text.replace("crop11/er", ""))
    assert "Not handed in, but counted in the means: 1" in text
    assert "classes not handed in" in text


def test_what_happened_to_rows_is_said_in_words(spoilt):
    text = told(public(spoilt))
    assert "crop12/mito skipped: far too many objects" in text
    assert "crop11/mito holds negative voxels" in text
    assert "crop11/er not handed in" in text


def test_nothing_betrays_the_truth(spoilt):
    """Whatever numbers the page shows are ratios, shares, or in the table of test crops."""
    page = public(spoilt)
    assert not re.search(r"<img|data:|neuroglancer|https?:", page)
    result, text = spoilt.evaluate(), told(page)
    assert [row.counts.n_components for row in result.rows if row.place == "crop12/mito"] == [600]
    numbers = set(re.findall(r"(?<![\w.+])\d[\d,]*(?![\w.])", text.replace(" %", "%")))
    shares = set(re.findall(r"[\d.]+ %", text))
    assert shares
    allowed = {"2026", "06", "1", "3", "0", "100"}  # the metric, classes, rows
    assert {n for n in numbers if n not in allowed} == set()


def test_other_truth_with_the_same_scores_makes_the_same_page(challenge):
    """Truth of other places and sizes: as long as every ratio is the same, so is the page."""
    before = told(public(challenge))
    for crop, grid in GRIDS.items():
        moved = cubes(grid.shape, size=3, gap=2)
        for name in challenge.classes[crop]:
            labels = moved if name == "mito" else (moved > 0).astype(np.uint8)
            for folder in (challenge.truth, challenge.submission):
                shutil.rmtree(folder / f"crop{crop}" / name)
            challenge.add_truth(crop, name, labels)
            challenge.hand_in(crop, name, labels)
    assert told(public(challenge)) == before


def test_a_page_that_exists_stays(challenge):
    path = challenge.root / "public.html"
    path.write_text("mine")
    with pytest.raises(OutputExists):
        write_public_report(challenge.evaluate(), path)
    assert path.read_text() == "mine"
