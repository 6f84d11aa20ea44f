"""The `[train]` section of an experiment."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from organelle.settings import Settings


class LossSettings(Settings):
    """What a training step makes small: a weighted sum, taken over known voxels only.

    Each loss is worked out per class over the whole batch and averaged over the classes that are known
    somewhere in it.
    """

    bce: float = Field(default=1.0, ge=0)
    """Weight of cross-entropy, in which present voxels weigh as `rare_weight` lets them."""

    dice: float = Field(default=1.0, ge=0)
    """Weight of the Dice loss beside cross-entropy: it keeps rare classes from coming out empty, and makes
    probabilities bolder than they should be. 0 leaves cross-entropy alone."""

    tversky: float = Field(default=0.0, ge=0)
    """Weight of the Tversky loss: Dice that counts what is invented and what is missed differently."""

    tversky_alpha: float = Field(default=0.3, ge=0)
    """What an invented voxel costs in the Tversky loss."""

    tversky_beta: float = Field(default=0.7, ge=0)
    """What a missed voxel costs in the Tversky loss."""

    focal: float = Field(default=0.0, ge=0)
    """Weight of the focal loss: cross-entropy in which voxels that are right already hardly count."""

    focal_gamma: float = Field(default=2.0, ge=0)
    """How little they count: each voxel is weighted by its probability of being wrong to this power."""

    hierarchy: bool = False
    """Where a group is known and some of its members are not, also compare the union of those members,
    1 - prod(1 - p), with the group's truth. For groups all of whose members are among the classes."""

    regression: float = Field(default=1.0, ge=0)
    """Weight of the error of distances and heat maps."""

    regression_form: Literal["smooth_l1", "mse"] = "smooth_l1"
    """How errors of distances and heat maps count: absolutely, but squared when small, or always squared."""

    regression_beta: float = Field(default=0.1, gt=0)
    """The error at which `smooth_l1` goes from squared to absolute; targets reach from -1 or 0 to 1."""

    own: str = ""
    """A loss of your own by import path, `package.module:Name`, added to the others."""

    own_weight: float = Field(default=1.0, ge=0)
    """Weight of your own loss."""

    own_options: dict[str, Any] = Field(default_factory=dict)
    """What your own loss is made with: `Name(**own_options)`."""

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not (self.bce or self.dice or self.tversky or self.focal or (self.own and self.own_weight)):
            raise ValueError(
                "bce, dice, tversky and focal are all 0 and there is no own loss: nothing to learn"
            )
        return self


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

    loss: LossSettings = LossSettings()
    """Which losses, and how much of each. `dice` may also stand in `[train]` itself."""

    average: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running average of the weights, which is what validates and predicts; 0 for none.

    It averages away the noise of small batches. Early steps use a shorter memory.
    """

    accumulate: int = Field(default=1, ge=1)
    """Parts into which a step's patches are cut to fit into memory; their gradients are averaged."""

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

    patience: int = Field(default=0, ge=0)
    """Training ends after so many validations in a row without a better one; 0 goes on to the last step."""

    keep_best: int = Field(default=1, ge=1)
    """How many of the best states are kept, in `best/`; the very best is always `best.ckpt`."""

    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between saved states: what a killed run loses at most."""

    validate_megavoxels: float = Field(default=4.0, gt=0)
    """Of a held-out crop that is larger, only a box of this size in its middle validates."""

    @model_validator(mode="before")
    @classmethod
    def _dice_belongs_to_the_loss(cls, values: Any) -> Any:
        """`dice` stood in `[train]` when it was the only choice, and still may."""
        if not isinstance(values, dict) or "dice" not in values:
            return values
        rest = {key: value for key, value in values.items() if key != "dice"}
        loss = rest.get("loss", {})
        if isinstance(loss, LossSettings):
            loss = loss.model_dump(exclude_unset=True)
        if not isinstance(loss, dict):
            return rest
        if "dice" in loss:
            raise ValueError("dice is given twice, here and in [train.loss]; keep the latter")
        return {**rest, "loss": {**loss, "dice": values["dice"]}}
