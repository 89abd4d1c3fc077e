"""Does a model say what it believes? Reasoning traces, how decisive their words are, how confident the model is.

python -m experiments.faithful                                        the embedded run
python -m experiments.faithful experiment=faithful_smoke              every stage in a minute or two
python -m experiments.faithful experiment=faithful_paper              the paper's models, datasets and settings
python -m experiments.faithful 'faithful/prompt=[baseline,perception]'  more conditions
python -m experiments.faithful -m faithful.sampling.k=1,3,10          a sensitivity sweep
"""

from typing import TYPE_CHECKING, Any

from ccps.settings.faithful.run import FaithfulConfig
from experiments.launch import launch

if TYPE_CHECKING:
    from ccps.plan.table import Plan
    from ccps.stages.planning.plan import Planning

CONFIG_NAME, SHAPE = "faithful", FaithfulConfig


def check(settings: dict[str, Any]) -> None:
    """Refuse settings that cannot be run."""
    from ccps.stages.faithful.checks import to_faithful

    to_faithful(settings)


def main(settings: dict[str, Any]) -> None:
    """Run what the settings describe."""
    from ccps.pipeline.run import opened_run
    from ccps.stages.faithful.checks import to_faithful
    from ccps.stages.faithful.pipeline import run_faithful

    config = to_faithful(settings)
    with opened_run(config, settings, config.experiment) as run:
        run_faithful(config, settings, run)


def plan(settings: dict[str, Any], planning: "Planning") -> "Plan":
    """What the settings would run, and how long that takes."""
    from ccps.stages.faithful.checks import to_faithful
    from ccps.stages.planning.plan import plan_faithful

    return plan_faithful(to_faithful(settings, here=False), settings, planning)


if __name__ == "__main__":
    launch(main, check, config_name=CONFIG_NAME, shape=SHAPE, planner=plan)
