"""`csc portal check`: what is unsafe, or will not work, in production."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from organelle.portal.config import GIB, PortalConfig
from organelle.portal.folder import PortalFolder

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.evaluate import PlannedRow

LEAST_FREE = 5 * GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: what is wrong, and what to do."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def findings(root: Path, config: PortalConfig) -> tuple[Finding, ...]:
    """All that is wrong with the portal in `root`; none when it may go out. Django is set up already."""
    return (*_addresses(config), *_files(PortalFolder(root), config), *_truth(config), *_django())


def _addresses(config: PortalConfig) -> Iterator[Finding]:
    if not config.production:
        yield Finding(
            "cookies travel over plain http", 'set "production = true" behind a server that does https'
        )
    parts = urlsplit(config.url)
    if parts.scheme != "https":
        yield Finding(
            f"links in mails and feeds begin with {config.url or 'http://localhost'}",
            'set "url" to the https:// address that people type',
        )
    elif parts.hostname not in config.hosts:
        yield Finding(f"requests for {parts.hostname} are refused", f'add "{parts.hostname}" to "hosts"')
    if "*" in config.hosts:
        yield Finding("any host name is answered, so that links can be forged", 'name the hosts in "hosts"')
    if not config.proxies:
        yield Finding(
            "everyone seems to come from the machine that does https, so that limits per address hit all",
            'set "proxies" to the number of servers in front',
        )
    if not config.mail.host:
        yield Finding("mail goes to the log, and nobody gets a link to sign in", 'set "host" in [mail]')
    elif not config.mail.tls:
        yield Finding("passwords and links leave by plain mail", 'set "tls = true" in [mail]')


def _files(folder: PortalFolder, config: PortalConfig) -> Iterator[Finding]:
    for path in (folder.root, folder.key_file, folder.database):
        if path.exists() and path.stat().st_mode & 0o077:
            kind = "700" if path.is_dir() else "600"
            yield Finding(f"other users of this machine can read {path}", f"chmod {kind} {path}")
    free = shutil.disk_usage(folder.root).free
    needed = max(LEAST_FREE, 2 * config.limits.submission_bytes)
    if free < needed:
        yield Finding(
            f"{free / GIB:.1f} GiB are free at {folder.root}, less than two submissions may take",
            "give it a larger disk, or lower limits.submission_bytes",
        )
    if not config.workers:
        yield Finding(
            "no worker starts with it, so nothing is scored here", "start workers on other machines"
        )


def _truth(config: PortalConfig) -> Iterator[Finding]:
    from organelle.catalog import load_catalog
    from organelle.errors import OrganelleError
    from organelle.evaluate import open_truth, plan_evaluation

    if not config.truth:
        yield Finding("there is no truth, so nothing is scored", 'set "truth"')
        return
    try:
        catalog = load_catalog(config.catalog or None)
        plan = plan_evaluation(open_truth(config.truth), catalog)
    except (OrganelleError, OSError) as error:
        yield Finding(f"the truth cannot be used: {error}", 'set "truth" and "catalog" to folders that fit')
        return
    for row in [row for row in plan if row.problem][:3]:
        yield Finding(f"{row.place} cannot be scored: {row.problem}", "mend the truth or the tables")
    yield from _private(config, plan, catalog)


def _private(config: PortalConfig, plan: Sequence[PlannedRow], catalog: Catalog) -> Iterator[Finding]:
    from organelle.errors import ScoringError
    from organelle.portal.scoring.private import classes_without_public, require_private

    try:
        require_private(config.private_crops, plan, catalog)
    except ScoringError as error:
        yield Finding(f"nothing is scored: {error}", 'mend "private_crops"')
        return
    if alone := classes_without_public(config.private_crops, plan):
        yield Finding(
            f"only private crops hold {', '.join(alone)}, so that empty boards tell which crops are private",
            "make one of these crops public",
        )


def _django() -> Iterator[Finding]:
    """What Django's own check for deployment finds."""
    from django.core.checks import WARNING, run_checks

    for found in run_checks(include_deployment_checks=True):
        if found.level >= WARNING:
            yield Finding(f"Django: {found.msg}".splitlines()[0], found.hint or f"see its check {found.id}")
