"""The folder of a training run: what it was made of, its checkpoints, its figures and its pictures.

::

    {run}/run.json            settings, crops, versions: what makes a run the same run
    {run}/start.json          with `start_from`: what was copied, what is new
    {run}/last.ckpt           the newest complete state
    {run}/best.ckpt           the state that validated best
    {run}/steps.csv           step, loss, learning rate
    {run}/validation.csv      step, mean, one column per class
    {run}/tensorboard/        the same as curves, and pictures of held-out crops
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.errors import OutputExists
from organelle.files import read_json, whole, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.tensorboard import SummaryWriter


class RunFolder:
    """One training run on disk. `record` is compared when a run is taken up again."""

    def __init__(self, path: Path, record: Mapping[str, Any], writer: SummaryWriter) -> None:
        self.path = path
        self.record = record
        self._writer = writer

    @property
    def last(self) -> Path:
        """The newest complete state."""
        return self.path / "last.ckpt"

    @property
    def best(self) -> Path:
        """The state that validated best; the last one where nothing is held out."""
        return self.path / "best.ckpt"

    def add_step(self, step: int, loss: float, learning_rate: float) -> None:
        """Note the loss of the step that ended as number `step`."""
        _append(self.path / "steps.csv", ["step", "loss", "learning_rate"], [step, loss, learning_rate])
        self._writer.add_scalar("loss", loss, step)
        self._writer.add_scalar("learning rate", learning_rate, step)

    def add_validation(self, step: int, mean: float, per_class: Mapping[str, float]) -> None:
        """Note the IoU per class on the held-out crops; a class that is nowhere known is left blank."""
        row = [step, mean, *("" if value != value else value for value in per_class.values())]
        _append(self.path / "validation.csv", ["step", "mean", *per_class], row)
        self._writer.add_scalar("validation/mean IoU", mean, step)
        for name, value in per_class.items():
            self._writer.add_scalar(f"validation/{name}", value, step)

    def add_picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Add an RGB picture (y, x, 3)."""
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def rewind(self, step: int) -> None:
        """Forget the rows after `step`: they are about to be written again."""
        for name in ("steps.csv", "validation.csv"):
            _truncate(self.path / name, step)

    def close(self) -> None:
        """Write out what is pending."""
        self._writer.close()


def open_run(path: Path | str, record: Mapping[str, Any]) -> RunFolder:
    """Begin the run `record` at `path`, or open it to go on.

    Raises:
        OutputExists: another run stands there; the message names what differs.
    """
    folder = Path(path)
    known = folder / "run.json"
    if known.is_file():
        stored = read_json(known)
        differing = _differences(stored, record)
        if differing:
            raise OutputExists(
                f"{folder} holds a training run with other {', '.join(differing)}; "
                "give the experiment another name, or train with --overwrite to begin anew"
            )
        record = stored
    elif folder.exists() and any(folder.iterdir()):
        raise OutputExists(f"{folder} is not empty and holds no training run; choose another place")
    else:
        write_json(known, dict(record))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch.utils.tensorboard import SummaryWriter
    return RunFolder(folder, record, SummaryWriter(folder / "tensorboard"))


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Dotted names of the entries that differ; versions and the machine's own precision may."""
    names = []
    for key in sorted((there.keys() | here.keys()) - {"versions", "precision"}):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names += [f"{key}.{name}" for name in _differences(old, new)]
        elif old != new:
            names.append(key)
    return names


def _append(path: Path, header: Sequence[str], row: Sequence[object]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if fresh:
            writer.writerow(header)
        writer.writerow(row)


def _truncate(path: Path, step: int) -> None:
    """Keep the header and the complete rows up to `step`."""
    if not path.exists():
        return
    header, *rows = path.read_text().splitlines() or [""]
    kept = [row for row in rows if row.split(",")[0].isdigit() and int(row.split(",")[0]) <= step]
    with whole(path, overwrite=True) as part:
        part.write_text("".join(f"{line}\n" for line in [header, *kept]))
