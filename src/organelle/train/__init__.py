"""Learn: a training run from its crops to the checkpoint that predicts.

The room opens without torch, so that an experiment can be read where nothing is learned; what learns loads
it, or says how to install it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from organelle.errors import require_module
from organelle.train.settings import LossSettings, TrainSettings

if TYPE_CHECKING:
    from organelle.train.held_out import Validation
    from organelle.train.learner import learning_rate
    from organelle.train.loop import TrainReport, best_checkpoint, train
    from organelle.train.losses import Loss, OwnLoss, SummedLoss, balanced_loss, positive_weights
    from organelle.train.plan import TrainPlan, changed_crops, data_stamps, plan_train

__all__ = [
    "Loss",
    "LossSettings",
    "OwnLoss",
    "SummedLoss",
    "TrainPlan",
    "TrainReport",
    "TrainSettings",
    "Validation",
    "balanced_loss",
    "best_checkpoint",
    "changed_crops",
    "data_stamps",
    "learning_rate",
    "plan_train",
    "positive_weights",
    "train",
]

_NEED_TORCH = {
    "Loss": "losses",
    "OwnLoss": "losses",
    "SummedLoss": "losses",
    "TrainPlan": "plan",
    "TrainReport": "loop",
    "Validation": "held_out",
    "balanced_loss": "losses",
    "best_checkpoint": "loop",
    "changed_crops": "plan",
    "data_stamps": "plan",
    "learning_rate": "learner",
    "plan_train": "plan",
    "positive_weights": "losses",
    "train": "loop",
}


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is asked for (PEP 562)."""
    if name not in _NEED_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_module("torch", "train")
    return getattr(import_module(f"{__name__}.{_NEED_TORCH[name]}"), name)


def __dir__() -> list[str]:
    return __all__
