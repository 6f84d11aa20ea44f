"""What organisers do from the command line, beside the admin pages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from organelle.errors import FileMissing
from organelle.files import refuse_existing, whole
from organelle.portal.backup import backup
from organelle.portal.checks import Finding, findings
from organelle.portal.config import FILE, PortalConfig, load_config
from organelle.portal.folder import PortalFolder
from organelle.portal.start import prepare


def check_portal(root: Path) -> tuple[Finding, ...]:
    """What is unsafe for production about the portal in `root`, or will not work."""
    return findings(root, _open(root))


def backup_portal(root: Path, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the portal in `root` to the tar `out`; see `organelle.portal.backup.backup`."""
    _require_portal(root)
    return backup(root, load_config(root, os.environ), out, overwrite=overwrite)


def export_portal(root: Path, out: Path, *, overwrite: bool = False) -> dict[str, int]:
    """Write teams, submissions with their history, results and the audit log to one JSON file.

    It is for organisers: scores have full precision, and mail addresses are in it. Counts of single crops
    are not; `csc evaluate` gives them. Returns how many records of each kind were written.
    """
    _open(root)
    refuse_existing(out, overwrite=overwrite)
    record = {"teams": [*_teams()], "submissions": [*_submissions()], "audit": [*_audit()]}
    with whole(out, overwrite=overwrite) as part:
        part.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
    return {kind: len(found) for kind, found in record.items()}


def rescore_portal(root: Path) -> int:
    """Have every scored or failed submission scored anew; returns how many.

    A new metric or truth in the configuration needs no such call: workers see it by themselves.
    """
    _open(root)
    from organelle.portal.scoring.queue import rescore_all

    return int(rescore_all("csc portal rescore"))


def draw_thumbnails(root: Path, volumes: Path | str, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Draw a picture of every crop of the portal's catalog whose volumes lie below `volumes`.

    See `organelle.portal.explorer.thumbnails.make_thumbnails`; returns the pictures that were drawn.
    """
    _open(root)
    from organelle.portal.explorer.collection import the_catalog
    from organelle.portal.explorer.thumbnails import make_thumbnails, thumbnail_folder

    folder = thumbnail_folder(PortalFolder(root))
    return make_thumbnails(the_catalog(), volumes, folder, overwrite=overwrite)


def organiser_link(root: Path, email: str, *, port: int = 8000) -> str:
    """A link that signs the owner of this address in as an organiser, once, within half an hour.

    Whoever can read the portal's folder may make one: it is for the first organiser, for more of them, and
    for those whose mail is lost. The audit log tells of it.
    """
    _require_portal(root)
    prepare(root, port)
    from django.conf import settings

    from organelle.portal.accounts.models import LoginLink
    from organelle.portal.challenge.models import note

    _, word = LoginLink.make(email, makes_organiser=True)
    note(None, "organiser link", email)
    return f"{settings.PORTAL_URL}/sign-in/{word}/"


def _require_portal(root: Path) -> None:
    if not PortalFolder(root).key_file.exists() and not (root / FILE).exists():
        raise FileMissing(f"no portal in {root}; csc portal --data {root} makes one")


def _open(root: Path) -> PortalConfig:
    _require_portal(root)
    return prepare(root)


def _teams() -> Iterator[dict[str, Any]]:
    from organelle.portal.accounts.models import Team

    for team in Team.objects.prefetch_related("members"):
        members = [{"name": member.name, "email": member.email} for member in team.members.all()]
        yield {
            "name": team.name,
            "affiliation": team.affiliation,
            "baseline": team.is_baseline,
            "members": members,
        }


def _submissions() -> Iterator[dict[str, Any]]:
    from organelle.portal.scoring.models import Result
    from organelle.portal.submissions.models import Submission

    keys = ("id", "sha256", "size_bytes", "name", "method", "description", "code_url", "publish", "anonymous")
    for one in Submission.objects.select_related("team").prefetch_related("transitions").order_by("created"):
        results = Result.objects.filter(sha256=one.sha256).values(
            "metric", "truth", "configuration", "scores", "private_crops", "final"
        )
        yield {
            "team": one.team.name,
            **{key: getattr(one, key) for key in keys},
            "state": one.state,
            "reason": one.reason,
            "created": one.created,
            "history": [
                {"time": t.time, "actor": t.actor, "to": t.target, "reason": t.reason}
                for t in one.transitions.all()
            ],
            "results": [*results],
        }


def _audit() -> Iterator[dict[str, Any]]:
    from organelle.portal.challenge.models import AuditEntry

    yield from AuditEntry.objects.order_by("time").values("time", "actor_name", "action", "about", "detail")
