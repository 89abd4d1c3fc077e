"""How far to push: every strength of a grid from states that are stored once, judged like the experiment itself.

python -m experiments.sweep                                the embedded experiment, multiple choice and open-ended
python -m experiments.sweep experiment=smoke sweep=smoke   every stage in minutes
python -m experiments.sweep sweep.mc.directions=[gradient]
"""

from typing import TYPE_CHECKING, Any

from ccps.settings.sweep import SweptConfig
from experiments.launch import launch

if TYPE_CHECKING:
    from ccps.plan.table import Plan
    from ccps.stages.planning.plan import Planning

CONFIG_NAME, SHAPE = "sweep", SweptConfig


def check(settings: dict[str, Any]) -> None:
    """Refuse settings that cannot be run."""
    from ccps.stages.sweep.checks import to_sweep

    to_sweep(settings)


def main(settings: dict[str, Any]) -> None:
    """Run the sweep that the settings describe."""
    from ccps.pipeline.run import opened_run
    from ccps.stages.sweep.checks import to_sweep
    from ccps.stages.sweep.pipeline import run_sweep

    swept = to_sweep(settings)
    with opened_run(swept.experiment, settings, f"{swept.experiment.experiment}_sweep") as run:
        run_sweep(swept, settings, run)


def plan(settings: dict[str, Any], planning: "Planning") -> "Plan":
    """What the settings would run, and how long that takes."""
    from ccps.stages.planning.plan import plan_sweep
    from ccps.stages.sweep.checks import to_sweep

    return plan_sweep(to_sweep(settings, here=False), settings, planning)


if __name__ == "__main__":
    launch(main, check, config_name=CONFIG_NAME, shape=SHAPE, planner=plan)
