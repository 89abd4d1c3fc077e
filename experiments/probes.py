"""Which recipe fits the probe of CCPS for the data there are, asked of training questions alone.

python -m experiments.probes                                  the embedded experiment
python -m experiments.probes experiment=embedded_full 'choice.sizes=[100,200,400,1000,2000]'
python -m experiments.probes 'choice.recipes=[logistic,auto]' 'choice.formats=[mc]'
"""

from pathlib import Path
from typing import Any

from experiments.launch import launch
from experiments.probe_choice.settings import ProbesChoiceConfig


def check(settings: dict[str, Any]) -> None:
    """Refuse settings that cannot be run."""
    from experiments.probe_choice.settings import to_choice

    to_choice(settings)


def main(settings: dict[str, Any]) -> None:
    """Compare the recipes and write the tables."""
    from ccps.pipeline.run import opened_run
    from experiments.probe_choice.run import compare_recipes
    from experiments.probe_choice.settings import to_choice

    choice = to_choice(settings)
    with opened_run(choice.experiment, settings, f"{choice.experiment.experiment}_probes") as run:
        compare_recipes(choice, settings, run, Path(choice.experiment.paths.output))


if __name__ == "__main__":
    launch(main, check, config_name="probes", shape=ProbesChoiceConfig)
