"""`ccps run`: an experiment end to end, as `python -m experiments.reproduce`."""

from argparse import Namespace

from ccps.cli.command import Answer, Command, register
from ccps.cli.jobs import WHAT, job_arguments, run_job


def run(arguments: Namespace) -> Answer:
    """Run the main job."""
    from experiments import reproduce
    from experiments.launch import launch

    return run_job("run", arguments, lambda main: launch(main, reproduce.check), reproduce.main)


register(
    Command(
        name="run",
        place=10,
        summary="Ask a model, fit and judge confidences, write a report",
        description=WHAT.format(config="config"),
        examples={
            "ccps run": "a 1.5B model on real questions, 27 minutes on two cores",
            "ccps run smoke": "every stage on a tiny model, in minutes",
            "ccps run paper trainer.devices=8": "the paper's four models",
            "ccps run smoke -m perturbation.radius=5,10": "several, one after another",
        },
        arguments=job_arguments,
        run=run,
        takes_rest=True,
    )
)
