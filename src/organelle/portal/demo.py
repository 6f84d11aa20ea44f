"""`csc portal --demo`: a synthetic cell, its truth, three teams, submissions being scored, and posts.

`lay_out` makes the challenge and the configuration before the portal starts, `fill` the people and what they
hand in. Both do only what is missing, so that a demo that was killed goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.errors import OutputExists
from organelle.files import sha256, whole
from organelle.portal.config import FILE

if TYPE_CHECKING:
    from organelle.portal.accounts.models import Team

TEST_CROPS = (11, 12)
"""Annotated crops of the phantom that the demo hides, beside the test crop that it has anyway."""

SHAPE = (96, 120, 136)


@dataclass(frozen=True)
class HandedIn:
    """One submission of the demo: whose, how long ago, and what is wrong with it."""

    team: str
    method: str
    days_ago: int
    errors: Mapping[str, float]
    anonymous: bool = False

    @property
    def file(self) -> str:
        """Name of its zip."""
        return f"{self.team}-{self.method}.zip".lower().replace(" ", "-")


TEAMS = {
    "Golgi Guild": ("ada@demo.example", "Ada", "Institute of Folded Membranes"),
    "Vesicle Vanguard": ("ben@demo.example", "Ben", "Laboratory of Small Spheres"),
    "Cristae Crew": ("cleo@demo.example", "Cleo", ""),
    "Baselines": ("organisers@demo.example", "The organisers", ""),
}
BASELINE = "Baselines"
SUBMISSIONS = (
    HandedIn(BASELINE, "threshold", 20, {"missing": 0.4, "merged": 0.3, "shifted": 0.2, "noise": 0.02}),
    HandedIn("Golgi Guild", "2D U-Net", 12, {"missing": 0.2, "merged": 0.2, "shifted": 0.3, "noise": 0.005}),
    HandedIn("Golgi Guild", "3D U-Net", 4, {"missing": 0.06, "merged": 0.06, "shifted": 0.2, "noise": 0.001}),
    HandedIn("Vesicle Vanguard", "watershed", 6, {"missing": 0.08, "merged": 0.05, "shifted": 0.25}),
    HandedIn("Cristae Crew", "affinities", 2, {"missing": 0.15, "split": 0.2, "eroded": 0.3}, anonymous=True),
)
POSTS = (
    (
        "The challenge is open",
        "open",
        14,
        "Hand in **three times a day**. How to begin:\n\n```\ncsc fetch-data --crops all\ncsc train\n```\n\n"
        "The [rules](/rules/) say what counts.",
    ),
    (
        "How instances are scored",
        "instances",
        8,
        "Each object is matched with one object of the truth. *One merge costs more than a shifted border*: "
        "look at the [classes](/classes/) to see which are scored as objects.",
    ),
    (
        "First results",
        "first-results",
        1,
        "The [leaderboard](/leaderboard/) shows the first teams. Well done!",
    ),
)


def lay_out(folder: Path, tell: Callable[[str], None]) -> None:
    """Write the demo's challenge and `portal.toml` into `folder`, which must be no other portal's.

    Raises:
        OutputExists: a portal that is no demo lives there.
    """
    challenge = folder.resolve() / "demo"
    setup = folder / FILE
    if setup.exists() and str(challenge) not in setup.read_text(encoding="utf-8"):
        raise OutputExists(f"{folder} holds a portal that is no demo; name an empty folder with --data")
    if not setup.exists() and (folder / "portal.sqlite3").exists():
        raise OutputExists(f"{folder} holds a portal that is no demo; name an empty folder with --data")
    if not challenge.exists():
        tell("drawing a cell, its truth and what three teams make of it")
        with whole(challenge) as part:
            _write_challenge(part)
    if not setup.exists():
        with whole(setup) as part:
            part.write_text(
                'title = "A demo of the challenge"\n'
                f'catalog = "{challenge}"\ntruth = "{challenge / "truth.zarr"}"\n'
                "[limits]\nper_day = 20\nconcurrent = 10\n",
                encoding="utf-8",
            )


def _write_challenge(folder: Path) -> None:
    """Bucket, tables, truth of three test crops, and a zip for each of `SUBMISSIONS`."""
    from organelle.catalog import Catalog, load_catalog, write_tables
    from organelle.evaluate import make_truth, simulate
    from organelle.evaluate.simulate_report import SimulatedErrors
    from organelle.phantom import PhantomSettings, write_phantom

    folder.mkdir()
    drawn = write_phantom(folder / "drawn", PhantomSettings.tiny(shape=SHAPE, dataset="demo-cell"))
    phantom = load_catalog(drawn)
    made = make_truth(phantom, TEST_CROPS, data=drawn / "bucket", out=folder / "made")
    shutil.move(made.store, folder / "truth.zarr")
    for crop in phantom.test_crops.values():
        shutil.move(drawn / "truth.zarr" / crop.name, folder / "truth.zarr" / crop.name)
    hidden = load_catalog(folder / "made").test_crops
    catalog = Catalog(
        "demo",
        phantom.datasets,
        {n: crop for n, crop in phantom.train_crops.items() if n not in TEST_CROPS},
        {**{n: replace(crop, is_test=True) for n, crop in hidden.items()}, **phantom.test_crops},
    )
    write_tables(catalog, folder)
    shutil.move(drawn / "bucket", folder / "bucket")
    shutil.rmtree(drawn)
    shutil.rmtree(folder / "made")
    for number, one in enumerate(SUBMISSIONS):
        errors = SimulatedErrors.only(**one.errors)
        simulate(folder / "truth.zarr", load_catalog(folder), folder / one.file, errors, seed=number)


def fill(folder: Path) -> None:
    """People, phases, posts and submissions of the demo, as far as they are not there."""
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
        for kind, days in (("announced", -40), ("open", -30), ("closed", 60), ("final", 90)):
            Phase.objects.create(kind=kind, starts=today + timedelta(days=days))


def _write_posts() -> None:
    from django.utils import timezone

    from organelle.portal.news.models import Post

    for title, slug, days, body in POSTS:
        published = timezone.now() - timedelta(days=days)
        Post.objects.get_or_create(slug=slug, defaults={"title": title, "body": body, "published": published})


def _team(name: str) -> Team:
    from django.utils.text import slugify

    from organelle.portal.accounts.models import Membership, Team, User

    email, person, affiliation = TEAMS[name]
    user = User.objects.of(email)
    if user.name != person:
        user.name = person
        user.save(update_fields=["name"])
    team, _ = Team.objects.get_or_create(
        name=name,
        defaults={"slug": slugify(name), "affiliation": affiliation, "is_baseline": name == BASELINE},
    )
    Membership.objects.get_or_create(user=user, defaults={"team": team, "leads": True})
    return team


def _hand_in(path: Path, one: HandedIn, team: Any) -> None:
    """Hand the zip in as people do, and date it back."""
    from django.utils import timezone

    from organelle.portal.submissions.intake import hand_in
    from organelle.portal.submissions.models import Submission

    user = team.members.get()
    _accept_rules(user)
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    submission = hand_in(
        copy,
        user=user,
        team=team,
        sha256=sha256(copy),
        size_bytes=copy.stat().st_size,
        name=path.name,
        fields={"method": one.method, "publish": True, "anonymous": one.anonymous},
    )
    copy.unlink(missing_ok=True)
    Submission.objects.filter(pk=submission.pk).update(created=timezone.now() - timedelta(days=one.days_ago))


def _accept_rules(user: Any) -> None:
    from django.utils import timezone

    from organelle.portal.challenge.rules import rules_version

    if user.rules_accepted != (version := rules_version()):
        user.rules_accepted, user.rules_accepted_at = version, timezone.now()
        user.save(update_fields=["rules_accepted", "rules_accepted_at"])
