"""What an experiment shows in Weights & Biases when it has ended, beside its stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccps.core.console import say
from ccps.integrations.wandb import log_diagrams, log_scorer
from ccps.stages.main.scorers import BEST


def mirror_outcome(run: Any, output: Path, experiment: str, formats: Mapping[str, list[str]]) -> None:
    """Log the reliability diagrams, and the scorers that were chosen as artifacts of type `model`.

    What W&B cannot take is said and let go: the files are the record.

    Args:
        run: of W&B.
        output: the folder of the experiment, published.
        experiment: its name; a scorer is called `<experiment>-<model>-<format>`.
        formats: of the training questions, by model.
    """
    import wandb

    try:
        log_diagrams(run, output)
        for model, own in formats.items():
            for form in own:
                best = output / "scorers" / model / form / BEST
                if best.is_dir():
                    log_scorer(run, best, f"{experiment}-{model}-{form}")
    except (wandb.Error, OSError) as error:
        say("w&b", experiment, f"{type(error).__name__}: {error}", state="outcome not mirrored")
