"""The `[train]` section of an experiment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from organelle.settings import Settings


class TrainSettings(Settings):
    """How long and how to learn."""

    steps: int = Field(default=2000, ge=1)
    """Steps of the optimiser."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate of AdamW, reached after `warmup_steps` and left along a cosine."""

    weight_decay: float = Field(default=1e-4, ge=0)
    """Decoupled weight decay (Loshchilov and Hutter 2019)."""

    warmup_steps: int = Field(default=50, ge=0)
    """Steps over which the learning rate rises linearly."""

    rare_weight: float = Field(default=20.0, ge=1)
    """Present voxels of rare classes weigh more, up to this; 1 weighs all voxels alike, which is best where
    every class fills more than some hundredths of the crops."""

    dice: float = Field(default=1.0, ge=0)
    """Weight of the Dice loss beside cross-entropy: it keeps rare classes from coming out empty, and makes
    probabilities bolder than they should be. 0 leaves cross-entropy alone."""

    average: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running average of the weights, which is what validates and predicts; 0 for none.

    It averages away the noise of small batches. Early steps use a shorter memory.
    """

    clip_gradient: float = Field(default=5.0, gt=0)
    """Norm to which gradients are clipped: one odd patch cannot throw the network off."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the forward pass; `auto` takes bfloat16 where the device is fast at it.

    A run and its continuation use the precision that the run began with.
    """

    seed: int = Field(default=0, ge=0)
    """Decides first weights, patches and augmentation."""

    validate_every: int = Field(default=250, ge=1)
    """Steps between validations on the held-out crops; the last step always validates."""

    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between saved states: what a killed run loses at most."""

    validate_megavoxels: float = Field(default=4.0, gt=0)
    """Of a held-out crop that is larger, only a box of this size in its middle validates."""
