"""Hand a submission in: to a folder, or to a portal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import organelle
from organelle.errors import FileMissing, FormatError, OutputExists, SubmissionError, did_you_mean
from organelle.files import read_json, refuse_existing, sha256, whole, write_json
from organelle.pack.lineage import lineage_path, read_lineage
from organelle.pack.multipart import PIECE_BYTES
from organelle.pack.portal import Portal
from organelle.pack.records import as_bytes
from organelle.pack.resumable import send_in_pieces, takes_pieces
from organelle.progress import track
from organelle.submission import validate

if TYPE_CHECKING:
    from organelle.catalog import Catalog

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class About:
    """What a portal shall know of a submission; what is not given is left to the portal.

    Attributes:
        method: name of the method, as the leaderboard shall show it; at most 100 letters.
        description: how it works, and what it was trained on; at most 4000 letters.
        code_url: address of the code, if it is public.
        publish: whether it may stand on the leaderboard.
        anonymous: whether the leaderboard calls the team by another name.
    """

    method: str | None = None
    description: str | None = None
    code_url: str | None = None
    publish: bool | None = None
    anonymous: bool | None = None

    def fields(self) -> dict[str, str | bool]:
        """What is given."""
        return {key: value for key, value in asdict(self).items() if value is not None}


NOTHING = About()


@dataclass(frozen=True)
class Receipt:
    """That a submission was handed in.

    Attributes:
        file: the zip's name.
        sha256: of its bytes.
        size_bytes: its size.
        time: when it had arrived, UTC, ISO 8601.
        to: the folder or the portal.
        lineage: whether its lineage went along.
        validated: whether the validator had seen it before.
        version: of organelle.
        answer: what the portal answered; its `id` and `url`, for instance.
    """

    file: str
    sha256: str
    size_bytes: int
    time: str
    to: str
    lineage: bool
    validated: bool
    version: str
    answer: dict[str, Any]

    @property
    def summary(self) -> str:
        """One sentence."""
        number = f" as {self.answer['id']}" if "id" in self.answer else ""
        place = f": {self.answer['url']}" if "url" in self.answer else ""
        size = f"{as_bytes(self.size_bytes)}, SHA-256 {self.sha256[:12]}..."
        return f"{self.file} ({size}) was handed in to {self.to} at {self.time}{number}{place}"


def submit(
    path: Path | str,
    to: str | Path | Portal,
    catalog: Catalog,
    *,
    overwrite: bool = False,
    about: About = NOTHING,
    check: bool = True,
    workers: int | None = None,
) -> Receipt:
    """Hand the zip at `path` in, with the lineage beside it, and write a receipt.

    The receipt `{name}.receipt.json` stands in the folder, or beside the zip if it went to a portal. What was
    handed in there before, the same bytes, is not sent again: its receipt is returned. A portal that takes
    pieces gets them, and a call that was cut is taken up by the next one.

    Args:
        path: the zip.
        to: a folder that exists, or a portal.
        catalog: its test table is what the validator looks for.
        overwrite: replace another submission, lineage or receipt of that name.
        about: what goes along to a portal; a folder keeps none of it.
        check: validate first; nothing is handed in that has errors.
        workers: child processes of the validator; see `organelle.submission.validate`.

    Raises:
        FileMissing: no zip, or no folder.
        SubmissionError: the validator finds errors, the lineage is that of another file, or the portal does
            not take it.
        OutputExists: something else of that name is there. Nothing was changed.
        TransferError: see `Portal.send`.
    """
    file = _require_file(Path(path))
    folder = file.parent if isinstance(to, Portal) else _require_other_folder(Path(to), file)
    digest = sha256(file)
    receipt = folder / f"{file.name.removesuffix('.zip')}.receipt.json"
    place = to.url if isinstance(to, Portal) else str(to)
    stands = isinstance(to, Portal) or (folder / file.name).is_file()
    if stands and not overwrite and (known := _earlier(receipt, digest, place)):
        return known
    refuse_existing(receipt, overwrite=overwrite)
    lineage = _own_lineage(file, digest)
    if check:
        _validate(file, catalog, workers)
    answer: dict[str, Any] = {}
    if isinstance(to, Portal):
        answer = _send(to, file, lineage, digest, about)
    else:
        _copy_all(file, lineage, folder, digest, overwrite=overwrite)
    made = Receipt(
        file=file.name,
        sha256=digest,
        size_bytes=file.stat().st_size,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        to=place,
        lineage=lineage is not None,
        validated=check,
        version=organelle.__version__,
        answer=answer,
    )
    write_json(receipt, asdict(made), overwrite=overwrite)
    return made


def _require_file(path: Path) -> Path:
    if path.is_dir():
        raise SubmissionError(f"{path} is a folder; hand in a zip, as csc pack-results makes it")
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileMissing(f"no submission at {path}{did_you_mean(path.name, siblings)}")
    return path


def _require_other_folder(folder: Path, file: Path) -> Path:
    if not folder.is_dir():
        raise FileMissing(f"no folder at {folder} to hand in to; make it first, if that is its name")
    if folder.resolve() == file.resolve().parent:
        raise SubmissionError(f"{file} lies in {folder} already; hand in to another folder")
    return folder


def _earlier(receipt: Path, digest: str, place: str) -> Receipt | None:
    """The receipt of the same bytes in the same place, if there is one."""
    with suppress(FileMissing, FormatError, TypeError):
        known = Receipt(**read_json(receipt))
        if (known.sha256, known.to) == (digest, place):
            return known
    return None


def _own_lineage(file: Path, digest: str) -> Path | None:
    """The lineage beside the zip, None where there is none; it has to be that of these bytes."""
    path = lineage_path(file)
    if not path.exists():
        return None
    named = read_lineage(file).get("submission")
    if not isinstance(named, dict) or named.get("sha256") != digest:
        raise SubmissionError(
            f"{path} is the lineage of another zip than {file}; pack again, or move it away and hand in "
            "without it"
        )
    return path


def _validate(file: Path, catalog: Catalog, workers: int | None) -> None:
    report = validate(file, catalog, workers=workers)
    if report.ok:
        return
    lines = [f"{p.code}: {p}" for p in report.errors[:SHOWN_PROBLEMS]]
    raise SubmissionError(
        "\n".join([f"{report.summary}, so it was not handed in", *lines])
        + f"\ncsc validate {file} names all of them; --no-validate hands it in all the same"
    )


def _send(portal: Portal, file: Path, lineage: Path | None, digest: str, about: About) -> dict[str, Any]:
    """In pieces where the portal takes them, else in one go."""
    fields: dict[str, Any] = {"version": organelle.__version__, **about.fields()}
    if takes_pieces(portal):
        along = {} if lineage is None else {"lineage": read_json(lineage)}
        answer = send_in_pieces(portal, file, digest, fields | along)
    else:
        texts = {name: json.dumps(v) if isinstance(v, bool) else v for name, v in fields.items()}
        texts |= {"sha256": digest, "bytes": str(file.stat().st_size)}
        files = {"submission": file} | ({} if lineage is None else {"lineage": lineage})
        answer = portal.send(texts, files)
    if answer.get("sha256", digest) != digest:
        raise SubmissionError(
            f"{portal.url} received other bytes than those of {file}: it counts {answer['sha256']} where the "
            f"file has {digest}. Hand it in again, and tell those who run the portal"
        )
    return answer


def _copy_all(file: Path, lineage: Path | None, folder: Path, digest: str, *, overwrite: bool) -> None:
    """Copy the zip and its lineage; the same bytes that stand there already are left as they are."""
    pairs = [(file, digest)] + ([] if lineage is None else [(lineage, sha256(lineage))])
    todo = [(source, sha) for source, sha in pairs if not _stands(folder / source.name, sha, overwrite)]
    for source, sha in todo:
        with whole(folder / source.name, overwrite=overwrite) as part:
            _copy(source, part, sha)


def _stands(place: Path, digest: str, overwrite: bool) -> bool:
    if place.is_file() and sha256(place) == digest:
        return True
    if place.exists() and not overwrite:
        raise OutputExists(
            f"{place} is another submission than this one; give this one another name, or add --overwrite"
        )
    return False


def _copy(source: Path, part: Path, digest: str) -> None:
    """Copy and count along, so that what arrives is what was looked at."""
    found = hashlib.sha256()
    pieces = -(-source.stat().st_size // PIECE_BYTES)
    with part.open("wb") as stream:
        for piece in track(_pieces(source), "copying", total=pieces):
            found.update(piece)
            stream.write(piece)
    if found.hexdigest() != digest:
        raise SubmissionError(f"{source} changed while it was copied; wait until it is written, then retry")


def _pieces(source: Path) -> Iterator[bytes]:
    with source.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
