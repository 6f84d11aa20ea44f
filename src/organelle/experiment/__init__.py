"""One TOML file holds an experiment: a section per room, composed here and bound to the stages."""

from organelle.experiment.crops import datasplit
from organelle.experiment.run import RunReport, plan_run, run_experiments
from organelle.experiment.settings import DataSettings, Experiment, load_experiment
from organelle.experiment.setup import RunChoices
from organelle.experiment.stages import (
    CACHE_BYTES,
    plan_prediction,
    predict_experiment,
    process_experiment,
    run_folder,
    train_experiment,
)
from organelle.experiment.steps import RunPlan, Span, Stage, State, Step
from organelle.experiment.tuning import TunedExperiment, tune_experiment

__all__ = [
    "CACHE_BYTES",
    "DataSettings",
    "Experiment",
    "RunChoices",
    "RunPlan",
    "RunReport",
    "Span",
    "Stage",
    "State",
    "Step",
    "TunedExperiment",
    "datasplit",
    "load_experiment",
    "plan_prediction",
    "plan_run",
    "predict_experiment",
    "process_experiment",
    "run_experiments",
    "run_folder",
    "train_experiment",
    "tune_experiment",
]
