"""What each choice of the faithful framework moves, on traces with rollouts; `make faithful-sensitivity`.

python -m experiments.sensitivity rollouts.path=FOLDER
"""

from pathlib import Path
from typing import Any

from experiments.launch import launch
from experiments.rollout_study.settings import RolloutStudyConfig, to_study


def main(settings: dict[str, Any]) -> None:
    """Read the traces in every way and write the page."""
    from ccps.analysis.faithful_sensitivity import Resampling
    from ccps.core.console import say
    from ccps.report.kit.files import write_text
    from experiments.rollout_study.sensitivity import sensitivity_page
    from experiments.rollout_study.sentences import read_study

    config = to_study(settings)
    page = sensitivity_page(read_study(config.rollouts), Resampling(config.resamples, config.level, config.seed))
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    say("sensitive", str(write_text(folder / "sensitivity.md", page)), state="written")


if __name__ == "__main__":
    launch(main, to_study, config_name="rollouts", shape=RolloutStudyConfig)
