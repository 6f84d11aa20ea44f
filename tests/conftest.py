"""What all tests share: where the real mini challenge and the official answers lie, if they are here."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from organelle.phantom import PhantomSettings, write_phantom

# Tests that run side by side are told the width of a terminal that nothing of theirs is shown on.
os.environ.pop("COLUMNS", None)

# A test is no stopwatch: on a busy machine an example may take long.
hypothesis.settings.register_profile("organelle", deadline=None)
hypothesis.settings.load_profile("organelle")

TINY_CLASSES = ("ecs", "pm", "golgi", "cyto", "nuc", "ves", "mito", "er", "cell")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those marked `longest` begin first; all others keep their order."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout: real EM (`sample`) and official answers (`golden`)."""
    if not SHARED.is_dir():
        pytest.skip(f"the real mini challenge is not here: no folder {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def tiny_challenge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic mini challenge, only to be read: tables, `bucket`, `truth.zarr`."""
    folder = tmp_path_factory.mktemp("challenge") / "tiny"
    write_phantom(folder, PhantomSettings.tiny(classes=TINY_CLASSES))
    return folder
