"""Targets from an experiment's settings, and own ones by import path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn_objects import draw_ids

from organelle.errors import NotFound, OrganelleError, SettingsError
from organelle.models.outputs import (
    AffinitySettings,
    AnyTarget,
    Channel,
    DistanceSettings,
    OwnTargetSettings,
    channels_of,
)
from organelle.sampling.targets import TargetInput, TargetValues, fill_targets, targets_of
from organelle.settings import Settings, parse_settings


class TargetList(Settings):
    targets: tuple[AnyTarget, ...] = ()


class Brightness:
    """Half where the class is, as an own target would be written."""

    def __init__(self, class_name: str, level: float = 0.5) -> None:
        self.class_name = class_name
        self.level = level
        self.channels = (Channel(f"{class_name}/brightness", "amount", "none"),)

    def __call__(self, truth: TargetInput) -> TargetValues:
        return TargetValues(self.level * truth.present[None].astype(np.float32), truth.known[None])


class TooFew(Brightness):
    """Forgets the axis of channels."""

    def __call__(self, truth: TargetInput) -> TargetValues:
        found = super().__call__(truth)
        return TargetValues(found.values[0], found.known[0])


class Squatter(Brightness):
    """Calls its channel like the mask."""

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name
        self.channels = (Channel(class_name),)


class Nameless:
    """Does not say what it makes."""

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name

    def __call__(self, truth: TargetInput) -> TargetValues:
        raise AssertionError("refused before it is called")


def parse(*targets: dict[str, Any]) -> TargetList:
    return parse_settings(TargetList, {"targets": targets}, "own.toml: model")


def own(name: str, **options: Any) -> dict[str, Any]:
    return {"kind": "own", "class": "mito", "target": f"{__name__}:{name}", "options": options}


def truth_of(shape: tuple[int, int, int] = (6, 7, 8)) -> TargetInput:
    ids = draw_ids(shape, 1)
    return TargetInput(ids > 0, np.ones(shape, bool), (8, 8, 8), ids)


def test_every_kind_fills_its_channels_in_order() -> None:
    settings = parse(
        {"kind": "distance", "class": "mito", "scale_nm": 30},
        {"kind": "boundary", "class": "mito", "width_nm": 10},
        {"kind": "centre", "class": "er"},
        {"kind": "affinities", "class": "mito", "offsets": [[0, 0, 1], [-3, 0, 0]]},
        {"kind": "mask", "class": "nuc"},
        own("Brightness", level=0.25),
    )
    targets = targets_of(settings.targets)
    channels = [channel for target in targets for channel in target.channels]
    assert [channel.name for channel in channels] == [
        "mito/distance",
        "mito/boundary",
        "er/centre",
        "mito/affinity_0_0_1",
        "mito/affinity_-3_0_0",
        "nuc",
        "mito/brightness",
    ]
    assert channels_of(["ld"], settings.targets) == (Channel("ld"), *channels)
    truths = {"mito": truth_of(), "er": truth_of(), "nuc": truth_of()}
    values, known = np.full((7, 6, 7, 8), np.nan, np.float32), np.zeros((7, 6, 7, 8), bool)
    fill_targets(targets, truths, values, known)
    assert np.isfinite(values).all()
    apart = [(target, target(truths[target.class_name])) for target in targets]
    assert (values == np.concatenate([found.values for _, found in apart])).all()
    assert (known == np.concatenate([found.known for _, found in apart])).all()


def test_channels_say_how_they_are_compared_and_share_the_weight_of_their_target() -> None:
    settings = parse(
        {"kind": "affinities", "class": "mito"}, {"kind": "distance", "class": "mito", "weight": 2}
    )
    affinity, distance = (target.channels for target in settings.targets)
    assert [(c.values, c.activation) for c in affinity] == [("probability", "sigmoid")] * 3
    assert sum(c.weight for c in affinity) == pytest.approx(1)
    assert [(c.values, c.activation, c.weight) for c in distance] == [("amount", "tanh", 2)]


def test_settings_survive_being_recorded() -> None:
    settings = parse({"kind": "affinities", "class": "mito"}, own("Brightness", level=0.1))
    assert TargetList.model_validate(settings.model_dump(mode="json")) == settings
    assert DistanceSettings(class_name="mito", scale_nm=7).limit_nm == 14


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"kind": "distance", "class": "mito", "scale": 5}, "unknown key .*scale'; nearest: scale_nm"),
        ({"kind": "distances", "class": "mito"}, "'distances' found using 'kind' does not match"),
        ({"kind": "mask", "class": "mitto"}, "'mitto' is not an organelle class; nearest: mito"),
        ({"kind": "mask"}, "class: Field required"),
        ({"kind": "affinities", "class": "mito", "offsets": [[0, 0, 0]]}, "leads to another voxel"),
        ({"kind": "affinities", "class": "mito", "offsets": []}, "at least 1 item"),
        ({"kind": "boundary", "class": "mito", "width_nm": 0}, "greater than 0"),
    ],
)
def test_what_describes_no_target_is_refused(target: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(target)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("Brightnes", {}, NotFound, "nearest: Brightness"),
        ("Brightness", {"lvl": 1}, SettingsError, "cannot be made with .*lvl"),
        ("Nameless", {}, SettingsError, "Nameless that is no target.*`channels` are a tuple"),
        ("Squatter", {}, SettingsError, "each called mito/SOMETHING"),
    ],
)
def test_an_own_target_that_is_none_is_named_when_it_is_built(
    name: str, options: dict[str, Any], error: type[OrganelleError], message: str
) -> None:
    settings = OwnTargetSettings(class_name="mito", target=f"{__name__}:{name}", options=options)
    with pytest.raises(error, match=message):
        targets_of([settings])


def test_an_own_target_that_returns_the_wrong_shape_is_told_so() -> None:
    targets = targets_of(parse(own("TooFew")).targets)
    values, known = np.zeros((1, 6, 7, 8), np.float32), np.zeros((1, 6, 7, 8), bool)
    with pytest.raises(SettingsError, match=r"TooFew returned .*\[6, 7, 8\].*shape \[1, 6, 7, 8\]"):
        fill_targets(targets, {"mito": truth_of()}, values, known)


def test_offsets_default_to_the_three_neighbours() -> None:
    assert AffinitySettings(class_name="mito").offsets == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
