"""`ccps faithful`: does a model say what it believes, as `python -m experiments.faithful`."""

from argparse import ArgumentParser, Namespace

from ccps.cli.command import Answer, Command, register
from ccps.cli.jobs import WHAT, job_arguments, run_job


def arguments_of(parser: ArgumentParser) -> None:
    """Those of a job, and a folder of traces."""
    job_arguments(parser)
    parser.add_argument(
        "--rollouts",
        metavar="FOLDER",
        help="traces with what else was said at every step, made elsewhere (docs/faithful.md): no model is asked",
    )


def run(arguments: Namespace) -> Answer:
    """Run the faithful job."""
    from ccps.settings.faithful.run import FaithfulConfig
    from experiments import faithful
    from experiments.configs import quoted
    from experiments.launch import launch

    if arguments.rollouts is not None:
        path = f"faithful.rollouts.path={quoted(arguments.rollouts)}"
        arguments.rest = ["faithful_rollouts", path, *arguments.rest]
    return run_job(
        "faithful",
        arguments,
        lambda main: launch(main, faithful.check, config_name="faithful", shape=FaithfulConfig),
        faithful.main,
    )


register(
    Command(
        name="faithful",
        place=30,
        summary="Ask whether a model says what it believes",
        description=WHAT.format(config="faithful"),
        examples={
            "ccps faithful": "a 1.5B model on school arithmetic, about ten minutes on two cores",
            "ccps faithful faithful_smoke": "every stage on a tiny model, in a minute or two",
            "ccps faithful --rollouts FOLDER": "traces made elsewhere",
        },
        arguments=arguments_of,
        run=run,
        takes_rest=True,
    )
)
