"""Learn: a training run from its crops to the checkpoint that predicts. Importing this room loads torch."""

from organelle.train.held_out import Validation
from organelle.train.learner import learning_rate
from organelle.train.loop import TrainReport, best_checkpoint, train
from organelle.train.losses import balanced_loss, positive_weights
from organelle.train.settings import TrainSettings

__all__ = [
    "TrainReport",
    "TrainSettings",
    "Validation",
    "balanced_loss",
    "best_checkpoint",
    "learning_rate",
    "positive_weights",
    "train",
]
