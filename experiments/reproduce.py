"""The main job end to end: ask a language model, perturb its answers, fit probes, judge them, write the report.

python -m experiments.reproduce                         the embedded experiment
python -m experiments.reproduce experiment=smoke        every stage in a few minutes
python -m experiments.reproduce stages=[answer,grade]   a part of it
python -m experiments.reproduce plan=true               what it would run, how long and how much
"""

from typing import TYPE_CHECKING, Any

from ccps.settings.experiment import Config
from experiments.launch import launch

if TYPE_CHECKING:
    from ccps.plan.table import Plan
    from ccps.stages.planning.plan import Planning

CONFIG_NAME, SHAPE = "config", Config


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


def plan(settings: dict[str, Any], planning: "Planning") -> "Plan":
    """What the settings would run, and how long that takes."""
    from ccps.stages.main.checks import to_config
    from ccps.stages.planning.plan import plan_experiment

    return plan_experiment(to_config(settings, here=False), settings, planning)


if __name__ == "__main__":
    launch(main, check, planner=plan)
