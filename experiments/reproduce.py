"""The main job end to end: ask a language model, perturb its answers, fit probes, judge them, write the report.

python -m experiments.reproduce                         the embedded experiment
python -m experiments.reproduce experiment=smoke        every stage in a few minutes
python -m experiments.reproduce stages=[answer,grade]   a part of it
"""

from typing import Any

from experiments.launch import launch


def check(settings: dict[str, Any]) -> None:
    """Refuse settings that cannot be run."""
    from ccps.stages.main.checks import to_config

    to_config(settings)


def main(settings: dict[str, Any]) -> None:
    """Run the experiment that the settings describe."""
    from ccps.pipeline.run import opened_run
    from ccps.stages.main.checks import to_config
    from ccps.stages.main.pipeline import run_experiment

    config = to_config(settings)
    with opened_run(config, settings, config.experiment) as run:
        run_experiment(config, settings, run)


if __name__ == "__main__":
    launch(main, check)
