"""What the demo tells: who takes part, what they hand in, what was written about it, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal["", "refused", "held"]


@dataclass(frozen=True)
class HandedIn:
    """One submission of the demo: whose, how long ago, and what is wrong with it.

    Attributes:
        errors: what `simulate` draws into the truth; two with the same ones hand in the same file.
        fault: what the check shall say of it; such a file is not made of the truth.
        anonymous: whether its team stands on the board under another name.
    """

    team: str
    method: str
    days_ago: int
    errors: Mapping[str, float] = field(default_factory=dict)
    fault: Fault = ""
    anonymous: bool = False
    description: str = ""

    @property
    def file(self) -> str:
        """Name of its zip."""
        return f"{self.method}.zip".lower().replace(" ", "-")


@dataclass(frozen=True)
class Person:
    """Who leads a team."""

    email: str
    name: str
    affiliation: str


BASELINE = "Baselines"
TEAMS = {
    "Golgi Guild": Person("ada@demo.example", "Ada", "Institute of Folded Membranes"),
    "Vesicle Vanguard": Person("ben@demo.example", "Ben", "Laboratory of Small Spheres"),
    "Cristae Crew": Person("cleo@demo.example", "Cleo", ""),
    "Lamella Lab": Person("dora@demo.example", "Dora", "School of Thin Sections"),
    "Peroxisome Pals": Person("emil@demo.example", "Emil", "Faculty of Little Bodies"),
    BASELINE: Person("organisers@demo.example", "The organisers", ""),
}

_TUTORIAL = {"missing": 0.25, "merged": 0.15, "shifted": 0.3, "noise": 0.004}
SUBMISSIONS = (
    HandedIn(
        BASELINE, "threshold", 28, {"missing": 0.4, "merged": 0.3, "shifted": 0.2, "noise": 0.02},
        description="Grey values below a threshold, and connected components.",
    ),
    HandedIn("Golgi Guild", "2D U-Net", 21, {"missing": 0.3, "merged": 0.25, "shifted": 0.3, "noise": 0.008}),
    HandedIn("Lamella Lab", "tutorial network", 18, _TUTORIAL, description="The tutorial, as it stands."),
    HandedIn("Vesicle Vanguard", "watershed", 15, {"missing": 0.15, "merged": 0.2, "shifted": 0.3}),
    HandedIn("Peroxisome Pals", "tutorial network", 11, _TUTORIAL),
    HandedIn("Vesicle Vanguard", "mutex watershed", 6, {"missing": 0.08, "merged": 0.05, "shifted": 0.25}),
    HandedIn(
        "Golgi Guild", "3D U-Net", 4, {"missing": 0.08, "merged": 0.04, "shifted": 0.25, "noise": 0.0004},
        description="Five resolutions, trained for two days; instances by seeded watershed.",
    ),
    HandedIn("Cristae Crew", "affinities", 2, {"missing": 0.1, "split": 0.2, "eroded": 0.3}, anonymous=True),
    HandedIn("Golgi Guild", "3D U-Net finer", 2, fault="refused"),
    HandedIn("Lamella Lab", "trial of the upload", 1, fault="held"),
)  # fmt: skip
"""The oldest first: in this order they are checked and scored."""

PHASES = (
    ("announced", -40, "Data, classes and rules are there to be read."),
    ("open", -30, "Three attempts a day would be usual; this demo allows twenty."),
    ("closed", 60, "What waits is still scored."),
    ("final", 90, "The three best teams are asked for their code."),
)
"""Kind, days from today, and what is said of it."""


@dataclass(frozen=True)
class Told:
    """A post; one of `days_ago` below 0 is still to come."""

    title: str
    slug: str
    days_ago: int
    body: str


POSTS = (
    Told(
        "The challenge is open",
        "open",
        30,
        "Hand in **as often as the limits allow**. How to begin:\n\n```\ncsc fetch-data --crops all\n"
        "csc train experiment.toml\n```\n\nThe [rules](/rules/) say what counts.",
    ),
    Told(
        "How instances are scored",
        "instances",
        20,
        "Each object is matched with one object of the truth. *One merge costs more than a shifted border*: "
        "look at the [classes](/classes/) to see which are scored as objects.",
    ),
    Told(
        "First results",
        "first-results",
        10,
        "The [leaderboard](/leaderboard/) shows the first teams. Lines with the mark ≈ cannot be told apart "
        "yet: another choice of test crops might have put them the other way round.",
    ),
    Told(
        "One month to go",
        "one-month-to-go",
        -30,
        "Nobody but organisers sees this before its day: it is scheduled.",
    ),
)
