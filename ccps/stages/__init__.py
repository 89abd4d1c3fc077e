"""The stages of an experiment, each a Lightning module that fills one artifact."""

from ccps.stages.config import Config
from ccps.stages.pipeline import run_experiment
from ccps.stages.stage import Run

__all__ = ["Config", "Run", "run_experiment"]
