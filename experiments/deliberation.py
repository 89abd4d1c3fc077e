"""What deliberation sounds like, measured on traces with rollouts: the tables of `docs/decisiveness.md`.

python -m experiments.deliberation rollouts.path=FOLDER
"""

from pathlib import Path
from typing import Any

from experiments.launch import launch
from experiments.rollout_study.settings import RolloutStudyConfig, to_study


def main(settings: dict[str, Any]) -> None:
    """Measure and write the tables."""
    from ccps.core.console import say
    from ccps.report.kit.files import write_text
    from experiments.rollout_study.deliberation import deliberation_page
    from experiments.rollout_study.sentences import read_study

    config = to_study(settings)
    page = deliberation_page(read_study(config.rollouts))
    print(page)
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    say("deliberation", str(write_text(folder / "deliberation.md", page)), state="written")


if __name__ == "__main__":
    launch(main, to_study, config_name="rollouts", shape=RolloutStudyConfig)
