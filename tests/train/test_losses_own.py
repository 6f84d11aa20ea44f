"""Losses by import path, and the settings that choose losses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from organelle.errors import NotFound, OrganelleError, SettingsError
from organelle.models.outputs import Channel
from organelle.settings import parse_settings
from organelle.train import Loss, LossSettings, TrainSettings

CHANNELS = [Channel("mito"), Channel("er")]


class Roughness:
    """Mean step between neighbours along x."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def __call__(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        return self.scale * logits.diff(dim=-1).abs().mean()


class PerVoxel:
    """Forgets to add up."""

    def __call__(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        return logits


class NoLoss:
    """Cannot be called."""


def own(name: str, **more: Any) -> LossSettings:
    return LossSettings(own=f"{__name__}:{name}", **more)


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 4, 5, generator=generator)
    return logits, (logits > 0.5).to(torch.uint8), torch.rand(logits.shape, generator=generator) > 0.3


def test_an_own_loss_is_added_with_its_weight_and_options() -> None:
    logits, target, known = drawn()
    plain = Loss(LossSettings(), CHANNELS, torch.ones(2))(logits, target, known)
    settings = own("Roughness", own_weight=0.5, own_options={"scale": 3.0})
    more = Loss(settings, CHANNELS, torch.ones(2))(logits, target, known)
    seen = torch.where(known, logits, 0)
    assert torch.allclose(more - plain, 0.5 * 3 * seen.diff(dim=-1).abs().mean())


def test_what_it_makes_of_unknown_voxels_teaches_nothing() -> None:
    logits, target, known = drawn()
    logits = torch.where(known, logits, torch.nan).requires_grad_()
    Loss(own("Roughness", bce=0, dice=0), CHANNELS, torch.ones(2))(logits, target, known).backward()
    assert logits.grad is not None
    assert (logits.grad[~known] == 0).all()
    assert (logits.grad[known] != 0).any()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (own("Roughnes"), NotFound, "has no 'Roughnes'; nearest: Roughness"),
        (
            LossSettings(own="no_such_package.losses:Name"),
            NotFound,
            "no module 'no_such_package' can be imported",
        ),
        (LossSettings(own="Roughness"), SettingsError, 'write it as "package.module:Name"'),
        (
            own("Roughness", own_options={"scael": 1}),
            SettingsError,
            "cannot be made with the options .*scael",
        ),
        (own("NoLoss"), SettingsError, "made a NoLoss, which cannot be called"),
    ],
)
def test_a_loss_that_cannot_be_made_is_named_before_training(
    settings: LossSettings, error: type[OrganelleError], message: str
) -> None:
    with pytest.raises(error, match=message):
        Loss(settings, CHANNELS, torch.ones(2))


def test_a_loss_that_does_not_add_up_is_told_so() -> None:
    with pytest.raises(SettingsError, match=r"PerVoxel returned a tensor of shape \[2, 2, 4, 5\]"):
        Loss(own("PerVoxel"), CHANNELS, torch.ones(2))(*drawn())


def test_dice_may_stand_where_it_always_stood() -> None:
    assert parse_settings(TrainSettings, {"dice": 0.25}, "train").loss == LossSettings(dice=0.25)
    both = {"dice": 0.25, "loss": {"tversky": 1.0}}
    assert parse_settings(TrainSettings, both, "train").loss == LossSettings(dice=0.25, tversky=1.0)
    with pytest.raises(SettingsError, match="dice is given twice"):
        parse_settings(TrainSettings, {"dice": 0.25, "loss": {"dice": 1.0}}, "train")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"tverski": 1}, "unknown key 'loss.tverski'; nearest: tversky"),
        ({"focal": -1}, "loss.focal: Input should be greater than or equal to 0"),
        ({"bce": 0, "dice": 0}, "nothing to learn"),
        (1.0, "loss: Input should be a valid dictionary"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(loss: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_settings(TrainSettings, {"loss": loss, "dice": 1} if loss == 1.0 else {"loss": loss}, "train")


def test_settings_come_back_from_what_a_run_records() -> None:
    settings = TrainSettings(loss=LossSettings(tversky=0.5, own="a.b:C", own_options={"x": 1}))
    assert TrainSettings.model_validate(settings.model_dump(mode="json")) == settings
