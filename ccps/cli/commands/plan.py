"""`ccps plan`: what a job would run, how long that takes and what it costs; nothing is run."""

import sys
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

from ccps.cli.command import Answer, Command, register
from ccps.cli.jobs import with_experiment

if TYPE_CHECKING:
    from ccps.plan.table import Plan

JOBS = ("run", "sweep", "faithful")


def arguments_of(parser: ArgumentParser) -> None:
    """Which job; the rest is Hydra's, and settings of the plan."""
    parser.usage = f"{parser.prog} [EXPERIMENT] [KEY=VALUE ...] [plan.NAME=VALUE ...] [--job JOB] [--json]"
    parser.add_argument("--job", choices=JOBS, default=JOBS[0], help="the command that it is a plan of")


def run(arguments: Namespace) -> Answer:
    """Make the plan."""
    from ccps.core.settings import typed
    from experiments import faithful, reproduce, sweep
    from experiments.launch import launch
    from experiments.planning import lines_of, planned, without_plan

    entry: Any = {"run": reproduce, "sweep": sweep, "faithful": faithful}[arguments.job]
    rest, config = without_plan([*with_experiment(arguments.rest), "plan=true"])
    assert config is not None
    plans: list[Plan] = []
    sys.argv[1:] = rest
    launch(
        lambda settings: plans.append(planned(entry.plan, config, settings)),
        partial(typed, wanted=entry.SHAPE),
        config_name=entry.CONFIG_NAME,
        shape=entry.SHAPE,
    )
    return Answer(
        {"plans": [plan.data(config.by) for plan in plans]},
        [line for plan in plans for line in lines_of(plan, config)],
    )


register(
    Command(
        name="plan",
        place=35,
        summary="Say what a job would run, how long it takes and what it costs",
        description=(
            "Nothing is run, and of models nothing is loaded but configuration and tokenizer. What is stored already\n"
            "is found and takes no time. Hours come of operations and bytes, and of the share of its peak that a\n"
            "device was measured to reach; what is predicted or assumed is called so. Its settings: conf/plan.yaml."
        ),
        examples={
            "ccps plan": "the default experiment, on this machine",
            "ccps plan paper plan.device=h100 plan.price_per_hour=2.5": "the paper's four models on an H100",
            "ccps plan paper plan.times=1000 plan.by=[model]": "a thousand times as many questions, a line a model",
            "ccps plan smoke sweep=smoke --job sweep": "a sweep",
            "ccps plan faithful_paper --job faithful --json": "reasoning traces, for a program to read",
        },
        arguments=arguments_of,
        run=run,
        takes_rest=True,
    )
)
