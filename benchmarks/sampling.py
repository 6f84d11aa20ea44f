"""Claim: a patch with ten classes costs a fiftieth of what the public loader spends, or less.

The same volumes, in the bucket's layout on disk, are read by organelle.sampling and by cellmap-data, each
with one thread in a process of its own, taking turns in the same run. cellmap-data brings gigabytes of other
libraries, so it lives in an environment of its own: `--peer-python PATH` names the interpreter there
(`python -m venv peer && peer/bin/pip install cellmap-data`). Without it, only organelle and the floor are
measured. The floor is the output written once, into arrays made anew or into the same again and again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from measuring.network_cost import training_flops
from measuring.sampling_volumes import CLASSES, draw_volumes
from measuring.turns import Player
from organelle.catalog import em_folder, labels_folder
from organelle.geometry import Voxels
from organelle.models import ModelSettings

ROUNDS = 4
SEED = 0
CHECKED = 12
"""Patches compared with the stored arrays, per shape."""
FORMS = ("batch", "codes")
H100_PEAK, A100_PEAK = 989e12, 312e12
"""Floating-point operations per second, bfloat16 without sparsity, of NVIDIA's data sheets (SXM)."""
SUSTAINED = 0.15
"""Assumed: the share of the peak that 3D convolutions of few channels reach."""
PUBLISHED_HOURS = {"nnU-Net (org.)": 9, "nnU-Net ResEnc L": 35}
"""One training on an A100, from documentation/resenc_presets.md of MIC-DKFZ/nnUNet."""
PUBLISHED_PATCHES = 1000 * 250 * 2
"""In such a training: epochs, iterations, and a batch of 2, which is usual for patches of about this size."""


@dataclass(frozen=True)
class Case:
    """A patch shape, and how much is drawn per turn."""

    name: str
    shape: Voxels
    batch: int
    """As in the public training templates."""
    batches: int
    peer_patches: int
    peer_manners: dict[str, str]
    """What cellmap-data calls it, and what organelle's patches it is compared with."""

    @property
    def edges(self) -> str:
        """For the command line."""
        return ",".join(map(str, self.shape))


CASES = (
    Case("3D", (128, 128, 128), 3, 6, 2, {"3D": "spatial", "plain": "plain"}),
    Case(
        "2D", (1, 128, 128), 8, 40, 30, {"2D in plane": "spatial", "plain": "plain", "2D template": "spatial"}
    ),
)
OURS = ("spatial", "plain", "as trained")
Turns = dict[tuple[str, ...], list[dict[str, Any]]]


@dataclass
class Measured:
    """All turns of one case, by what was drawn; the first, discarded turns; what was told beside them."""

    turns: Turns = field(default_factory=dict)
    peaks: dict[tuple[str, ...], int] = field(default_factory=dict)
    began: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def each(self, *key: str) -> list[float]:
        """CPU seconds per patch, of every batch of every turn."""
        return [cpu for turn in self.turns[key] for cpu in turn["cpu"]]

    def cost(self, *key: str) -> float:
        """CPU seconds per patch, median."""
        return median(self.each(*key))

    def rate(self, *key: str) -> float:
        """Patches per second on the clock, best of the turns."""
        return 1 / min(turn["wall"] for turn in self.turns[key])


def main() -> None:
    """Draw the volumes, let all take turns, print what the README tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peer-python", type=Path, help="interpreter that can import cellmap_data")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of each (default: {ROUNDS})")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the volumes here, or take them")
    asked = parser.parse_args()
    if not asked.peer_python:
        print("no --peer-python: measuring organelle and the floor alone")
    with nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="sampling-") as place:
        folder = Path(place).resolve()
        if not (folder / "peer.json").is_file():
            prepare(folder)
        compiling = compile_cost(folder)
        found = {case.name: measure(case, folder, asked.peer_python, asked.rounds) for case in CASES}
    for case in CASES:
        show(case, found[case.name])
    print(f"compiled for the first time after an installation: {compiling:.1f} CPU seconds more")
    show_consumption(found["3D"])


def prepare(folder: Path) -> None:
    """Volumes, tables, and what the peer must know of them."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = draw_volumes(folder, SEED)
    crops = [
        {
            "raw": str(em_folder(folder, crop.dataset)),
            "gt": f"{labels_folder(folder, crop)}/[{','.join(CLASSES)}]",
        }
        for crop in catalog.train_crops.values()
    ]
    size = list(next(iter(catalog.train_crops.values())).voxel_size_nm)
    (folder / "peer.json").write_text(json.dumps({"classes": CLASSES, "voxel_size_nm": size, "crops": crops}))


def compile_cost(folder: Path) -> float:
    """CPU seconds that the first patch costs more when nothing has been compiled yet."""
    with TemporaryDirectory() as empty:
        spent = [
            began["opening"] + began["first"]
            for cache in ({"NUMBA_CACHE_DIR": empty}, {})
            for began in [start_ours(CASES[0], folder, **cache).ask_and_close("began")]
        ]
    return spent[0] - spent[1]


def start_ours(case: Case, folder: Path, **environment: str) -> Player:
    """Organelle's loader, in a process of its own."""
    return Player(sys.executable, "own_patches", folder, case.edges, case.batch, **environment)


def measure(case: Case, folder: Path, peer_python: Path | None, rounds: int) -> Measured:
    """Let all take turns."""
    found = Measured()
    ours = start_ours(case, folder)
    floor = Player(sys.executable, "floor", case.edges, len(CLASSES), case.batch)
    peers = {name: Player(peer_python, "peer_patches", folder, case.edges, name)
             for name in case.peer_manners if peer_python and name != "plain"}  # fmt: skip
    for player, name in [(ours, "ours"), *((peer, name) for name, peer in peers.items())]:
        found.began[name] = player.ask("began")
    turns = [*own_turns(case, ours), *floor_turns(case, floor), *peer_turns(case, peers)]
    for key, player, request in turns * rounds:
        answer = player.ask("draw", **request)
        found.peaks.setdefault(key, answer["peak_bytes"])
        found.turns.setdefault(key, []).append(answer)
    found.checks["ours"] = ours.ask("check", patches=CHECKED)
    for name, peer in peers.items():
        found.looks[name] = peer.ask("look", manner=name, patches=case.peer_patches)
        found.checks[name] = peer.ask("check", patches=CHECKED)
    for player in (ours, floor, *peers.values()):
        player.close()
    return found


Turn = tuple[tuple[str, ...], Player, dict[str, Any]]


def own_turns(case: Case, player: Player) -> Iterable[Turn]:
    """One thread in both forms, then two threads."""
    for manner in OURS:
        for form in FORMS:
            yield ("ours", manner, form), player, {"manner": manner, "form": form, "batches": case.batches}
    many = {"manner": "spatial", "form": "two threads", "batches": 4 * case.batches, "skip": case.batches}
    yield ("ours", "spatial", "two threads"), player, many


def floor_turns(case: Case, player: Player) -> Iterable[Turn]:
    """Both forms, anew and again."""
    for form in FORMS:
        for name, fresh in (("anew", True), ("again", False)):
            yield ("floor", form, name), player, {"form": form, "times": 3 * case.batches, "fresh": fresh}


def peer_turns(case: Case, players: dict[str, Player]) -> Iterable[Turn]:
    """Each augmentation in its own process; without any in the first."""
    for name in case.peer_manners if players else ():
        player = players.get(name) or next(iter(players.values()))
        yield ("peer", name), player, {"manner": name, "patches": case.peer_patches}


def show(case: Case, found: Measured) -> None:
    """Tables of one case, and what else there is to tell."""
    console = Console(width=130)
    console.print(ours_table(case, found))
    began, equal = found.began["ours"], found.checks["ours"]["equal"]
    print(f"{told(began)}; {began['held_bytes'] / 1e6:.0f} MB of crops in memory")
    print(f"{equal} patches without augmentation equal the stored arrays, voxel by voxel")
    rates = [found.rate("ours", "spatial", form) for form in ("batch", "two threads")]
    spent = mean(found.each("ours", "spatial", "two threads"))
    print(f"on the clock: one thread {rates[0]:.0f}, two threads {rates[1]:.0f} patches per second; ", end="")
    print(f"with two threads {milliseconds(spent)} CPU ms per patch")
    if found.looks:
        console.print(peer_table(case, found))
    for name, look in found.looks.items():
        print(f"{name}: {told(found.began[name])}")
        for answer in (look, found.checks[name]):
            print(", ".join(f"{key} {value}" for key, value in answer.items() if key != "peak_bytes"))


def told(began: dict[str, Any]) -> str:
    """What comes before the second patch."""
    return ", ".join(f"{key} {began[key]:.2f}" for key in ("imports", "opening", "first")) + " CPU seconds"


def ours_table(case: Case, found: Measured) -> Table:
    """Cost of each form beside its floor, in CPU milliseconds."""
    columns = ("augmentation", "as", "CPU ms", "mean", "per CPU s", "floor, anew", "floor, again", "peak MB")
    table = Table(*columns, title=f"{case.name}: organelle")
    for manner, form in product(OURS, FORMS):
        key = ("ours", manner, form)
        cost, floors = found.cost(*key), [found.cost("floor", form, name) for name in ("anew", "again")]
        beside = [f"{milliseconds(floor)} ({cost / floor:.1f}x)" for floor in floors]
        figures = (milliseconds(cost), milliseconds(mean(found.each(*key))), f"{1 / cost:.0f}")
        table.add_row(manner, form, *figures, *beside, megabytes(found.peaks[key]))
    table.add_row(
        "spatial", "two threads", *[""] * 5, megabytes(found.peaks["ours", "spatial", "two threads"])
    )
    return table


def peer_table(case: Case, found: Measured) -> Table:
    """Cost of cellmap-data beside ours, in CPU milliseconds."""
    columns = (
        "cellmap-data",
        "patches",
        "CPU ms",
        "least, most",
        "per CPU s",
        "ours",
        "ratio",
        "of means",
        "MB",
    )
    table = Table(*columns, title=f"{case.name}: cellmap-data beside organelle's batches")
    for name, manner in case.peer_manners.items():
        each, own = found.each("peer", name), found.each("ours", manner, "batch")
        cost, mine = median(each), median(own)
        span = f"{milliseconds(min(each))}, {milliseconds(max(each))}"
        ratios = (f"{cost / mine:.0f}", f"{mean(each) / mean(own):.0f}")
        figures = (str(len(each)), milliseconds(cost), span, f"{1 / cost:.2f}", milliseconds(mine))
        table.add_row(name, *figures, *ratios, megabytes(found.peaks["peer", name]))
    return table


def show_consumption(found: Measured) -> None:
    """Arithmetic, not measured: what a device would take, and how many threads that is."""
    rates = [1 / found.cost("ours", "spatial", form) for form in FORMS]
    table = Table(
        "network",
        "TFLOP per patch",
        "patches/s",
        "threads, batches",
        "threads, codes",
        title="an H100: arithmetic",
    )
    for name in ("unet_3d", "dynunet_3d"):
        model = ModelSettings(
            network=name, classes=CLASSES, voxel_size_nm=(8, 8, 8), patch_shape=CASES[0].shape
        )
        cost = training_flops(model)
        taken = H100_PEAK * SUSTAINED / cost
        table.add_row(name, f"{cost / 1e12:.2f}", f"{taken:.0f}", *(f"{taken / rate:.1f}" for rate in rates))
    for name, hours in PUBLISHED_HOURS.items():
        taken = PUBLISHED_PATCHES / (hours * 3600) * H100_PEAK / A100_PEAK
        table.add_row(name, "", f"{taken:.0f}", *(f"{taken / rate:.1f}" for rate in rates))
    Console(width=130).print(table)


def megabytes(size: int) -> str:
    """Of 1,000,000 bytes."""
    return f"{size / 1e6:.0f}"


def milliseconds(seconds: float) -> str:
    """With three digits."""
    return f"{seconds * 1e3:.3g}"


if __name__ == "__main__":
    main()
