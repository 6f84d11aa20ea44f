"""The folder of a training run: what it was made of, its checkpoints, its figures and its pictures.

::

    {run}/run.json            settings, crops, versions: what makes a run the same run
    {run}/start.json          with `start_from`: what was copied, what is new
    {run}/last.ckpt           the newest complete state
    {run}/best.ckpt           the state that validated best
    {run}/best/               with `keep_best` above 1: the best few, by step
    {run}/data.json           a hash of each crop's EM and labels, as they were learned from
    {run}/steps.csv           step, loss, learning rate
    {run}/validation.csv      step, overall score, mean IoU, then score and IoU of each class
    {run}/worst.png           the patches of the costliest batch since the validation before
    {run}/tensorboard/        the same as curves, and pictures of held-out crops
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.errors import CheckpointError, OutputExists
from organelle.files import read_json, whole, write_json
from organelle.scenes import png_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.tensorboard import SummaryWriter

    from organelle.train.held_out import Validation


class RunFolder:
    """One training run on disk. `record` is compared when a run is taken up again.

    Without a `writer` nothing is written: such is the folder of all ranks but the first.
    """

    def __init__(self, path: Path, record: Mapping[str, Any], writer: SummaryWriter | None) -> None:
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

    @property
    def kept(self) -> Path:
        """Where the best few states are."""
        return self.path / "best"

    def add_step(self, step: int, loss: float, learning_rate: float) -> None:
        """Note the loss of the step that ended as number `step`."""
        if self._writer is None:
            return
        _append(self.path / "steps.csv", ["step", "loss", "learning_rate"], [step, loss, learning_rate])
        self._writer.add_scalar("loss", loss, step)
        self._writer.add_scalar("learning rate", learning_rate, step)

    def add_validation(self, step: int, found: Validation) -> None:
        """Note what the held-out crops say; a class that is nowhere known is left blank."""
        if self._writer is None:
            return
        figures = {"overall": found.overall, "mean IoU": found.mean_iou, **found.per_class}
        figures |= {f"{name} IoU": value for name, value in found.iou.items()}
        row = [step, *("" if value != value else value for value in figures.values())]
        _append(self.path / "validation.csv", ["step", *figures], row)
        for name, value in figures.items():
            self._writer.add_scalar(f"validation/{name}", value, step)

    def add_picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Add an RGB picture (y, x, 3)."""
        if self._writer is not None:
            self._writer.add_image(name, picture, step, dataformats="HWC")

    def add_worst(self, step: int, picture: NDArray[np.uint8]) -> None:
        """The patches of the costliest batch, RGB (y, x, 3)."""
        if self._writer is None:
            return
        self.add_picture(step, "worst patches", picture)
        with whole(self.path / "worst.png", overwrite=True) as part:
            part.write_bytes(png_bytes(picture))

    def require_same_data(self, hashes: Mapping[str, str]) -> None:
        """Note the hashes of the crops, or compare them with those noted when the run began.

        Raises:
            CheckpointError: crops have changed since.
        """
        known = self.path / "data.json"
        if known.is_file():
            before = read_json(known)
            changed = [name for name, found in hashes.items() if before.get(name) != found]
            if changed:
                raise CheckpointError(
                    f"{self.path}: {', '.join(changed)} changed since the run began, so it cannot go on as "
                    "if nothing had happened. Bring the data back, or train with --overwrite to begin anew"
                )
        elif self._writer is not None:
            write_json(known, dict(hashes))

    def rewind(self, step: int) -> None:
        """Forget the rows after `step`: they are about to be written again."""
        for name in ("steps.csv", "validation.csv") if self._writer is not None else ():
            _truncate(self.path / name, step)

    def close(self) -> None:
        """Write out what is pending."""
        if self._writer is not None:
            self._writer.close()


def open_run(path: Path | str, record: Mapping[str, Any], *, writes: bool = True) -> RunFolder:
    """Begin the run `record` at `path`, or open it to go on; with `writes` false only to read it.

    Raises:
        OutputExists: another run stands there; the message names what differs.
    """
    folder = Path(path)
    known = folder / "run.json"
    if known.is_file():
        stored = read_json(known)
        differing = differences(stored, record)
        if differing:
            raise OutputExists(
                f"{folder} holds a training run with other {', '.join(differing)}; "
                "give the experiment another name, or train with --overwrite to begin anew"
            )
        record = stored
    elif folder.exists() and any(not place.name.startswith(".") for place in folder.iterdir()):
        raise OutputExists(f"{folder} is not empty and holds no training run; choose another place")
    else:
        write_json(known, dict(record))
    if not writes:
        return RunFolder(folder, record, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch.utils.tensorboard import SummaryWriter
    return RunFolder(folder, record, SummaryWriter(folder / "tensorboard"))


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Dotted names of the entries that differ; versions and the machine's own precision may."""
    names = []
    for key in sorted((there.keys() | here.keys()) - {"versions", "precision"}):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names += [f"{key}.{name}" for name in differences(old, new)]
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
