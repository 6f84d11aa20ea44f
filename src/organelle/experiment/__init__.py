"""One TOML file holds an experiment: a section per room, composed here and bound to the stages."""

from organelle.experiment.crops import datasplit
from organelle.experiment.settings import DataSettings, Experiment, load_experiment
from organelle.experiment.stages import (
    CACHE_BYTES,
    predict_experiment,
    process_experiment,
    run_folder,
    train_experiment,
)

__all__ = [
    "CACHE_BYTES",
    "DataSettings",
    "Experiment",
    "datasplit",
    "load_experiment",
    "predict_experiment",
    "process_experiment",
    "run_folder",
    "train_experiment",
]
