"""`ccps sweep`: how far to push, as `python -m experiments.sweep`."""

from argparse import Namespace

from ccps.cli.command import Answer, Command, register
from ccps.cli.jobs import WHAT, job_arguments, run_job


def run(arguments: Namespace) -> Answer:
    """Run the sweep."""
    from ccps.settings.sweep import SweptConfig
    from experiments import sweep
    from experiments.launch import launch

    return run_job(
        "sweep", arguments, lambda main: launch(main, sweep.check, config_name="sweep", shape=SweptConfig), sweep.main
    )


register(
    Command(
        name="sweep",
        place=20,
        summary="Find the strength of the perturbation that tells most",
        description=WHAT.format(config="sweep"),
        examples={
            "ccps sweep": "the answers of `ccps run`, perturbed by every strength of a grid",
            "ccps sweep smoke sweep=smoke": "every stage on a tiny model, in minutes",
            "ccps sweep embedded_four": "four models of three families",
        },
        arguments=job_arguments,
        run=run,
        takes_rest=True,
    )
)
