from __future__ import annotations

from pathlib import Path

import pytest

from organelle.phantom import Phantom, PhantomSettings, draw_phantom, write_phantom

WRITTEN = (
    "mito",
    "mito_mem",
    "mito_lum",
    "mito_ribo",
    "cell",
    "ld",
    "ld_mem",
    "mt",
    "ves",
    "er_mem_all",
    "cyto",
)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A small phantom in memory, with all classes annotated."""
    return draw_phantom(PhantomSettings.tiny(), seed=3)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tissue on disk, with a few classes annotated."""
    place = tmp_path_factory.mktemp("phantom") / "challenge"
    return write_phantom(place, PhantomSettings.tiny(classes=WRITTEN), seed=3)
