"""People, phases, posts and submissions of the demo."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.files import sha256
from organelle.portal.demo.story import BASELINE, PHASES, POSTS, SUBMISSIONS, TEAMS, HandedIn

if TYPE_CHECKING:
    from organelle.portal.accounts.models import Team


def fill(folder: Path) -> None:
    """Make what is not there yet."""
    from organelle.portal.submissions.models import Submission

    _set_phases()
    _write_posts()
    _draw_crops(folder)
    for one in SUBMISSIONS:
        team = _team(one.team)
        if not Submission.objects.filter(team=team, method=one.method).exists():
            _hand_in(folder / "demo" / one.file, one, team)


def _draw_crops(folder: Path) -> None:
    from organelle.catalog import load_catalog
    from organelle.portal.explorer.thumbnails import make_thumbnails, thumbnail_folder
    from organelle.portal.folder import PortalFolder

    challenge = folder / "demo"
    make_thumbnails(load_catalog(challenge), challenge / "bucket", thumbnail_folder(PortalFolder(folder)))


def _set_phases() -> None:
    from django.utils import timezone

    from organelle.portal.challenge.models import Phase

    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if not Phase.objects.exists():
        for kind, days, note in PHASES:
            Phase.objects.create(kind=kind, starts=today + timedelta(days=days), note=note)


def _write_posts() -> None:
    from django.utils import timezone

    from organelle.portal.news.models import Post

    for post in POSTS:
        published = timezone.now() - timedelta(days=post.days_ago)
        values = {"title": post.title, "body": post.body, "published": published}
        Post.objects.get_or_create(slug=post.slug, defaults=values)


def _team(name: str) -> Team:
    from django.utils.text import slugify

    from organelle.portal.accounts.models import Membership, Team, User

    leader = TEAMS[name]
    user = User.objects.of(leader.email)
    if user.name != leader.name:
        user.name = leader.name
        user.save(update_fields=["name"])
    team, _ = Team.objects.get_or_create(
        name=name,
        defaults={"slug": slugify(name), "affiliation": leader.affiliation, "is_baseline": name == BASELINE},
    )
    Membership.objects.get_or_create(user=user, defaults={"team": team, "leads": True})
    return team


def _hand_in(path: Path, one: HandedIn, team: Team) -> None:
    """Hand the zip in as people do, and date it back."""
    from django.utils import timezone

    from organelle.portal.challenge.rules import accept_rules, rules_version
    from organelle.portal.submissions.intake import hand_in
    from organelle.portal.submissions.models import Submission

    user = team.members.get()
    accept_rules(user, rules_version())
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    submission = hand_in(
        copy,
        user=user,
        team=team,
        sha256=sha256(copy),
        size_bytes=copy.stat().st_size,
        name=path.name,
        fields={
            "method": one.method,
            "description": one.description,
            "publish": True,
            "anonymous": one.anonymous,
        },
    )
    copy.unlink(missing_ok=True)
    then = timezone.now() - timedelta(days=one.days_ago)
    Submission.objects.filter(pk=submission.pk).update(created=then)
    submission.transitions.update(time=then)
