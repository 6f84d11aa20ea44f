"""The demo's folder before the portal starts in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from organelle.errors import OutputExists
from organelle.files import whole
from organelle.portal.config import FILE


def lay_out(folder: Path, tell: Callable[[str], None]) -> None:
    """Write the demo's challenge and `portal.toml` into `folder`, which must be no other portal's.

    Raises:
        OutputExists: a portal that is no demo lives there.
    """
    from organelle.portal.demo.drawn import write_challenge

    challenge = folder.resolve() / "demo"
    setup = folder / FILE
    is_demo = setup.exists() and str(challenge) in setup.read_text(encoding="utf-8")
    if not is_demo and (setup.exists() or (folder / "portal.sqlite3").exists()):
        raise OutputExists(f"{folder} holds a portal that is no demo; name an empty folder with --data")
    if not challenge.exists():
        tell("drawing cells, their truth and what five teams make of them")
        with whole(challenge) as part:
            write_challenge(part)
    if not setup.exists():
        with whole(setup) as part:
            part.write_text(
                'title = "A demo of the challenge"\n'
                f'catalog = "{challenge}"\ntruth = "{challenge / "truth.zarr"}"\n'
                "workers = 2\nscoring_processes = 1\n"  # a process that starts costs more than small crops
                "[limits]\nper_day = 20\nconcurrent = 10\n",
                encoding="utf-8",
            )
