"""What traces with rollouts say of words and of the framework's choices; `make faithful-sensitivity`.

python -m experiments.rollouts rollouts.path=FOLDER                     what each choice of the framework moves
python -m experiments.rollouts rollouts.path=FOLDER page=deliberation   what deliberation sounds like
"""

from pathlib import Path
from typing import Any

from experiments.launch import launch
from experiments.rollout_study.settings import RolloutStudyConfig, to_study


def main(settings: dict[str, Any]) -> None:
    """Measure what the page is about, and write it."""
    from ccps.core.console import say
    from ccps.report.kit.files import write_text
    from experiments.rollout_study.deliberation import deliberation_page
    from experiments.rollout_study.sensitivity import sensitivity_page
    from experiments.rollout_study.sentences import read_study

    config = to_study(settings)
    study = read_study(config.rollouts)
    page = deliberation_page(study) if config.page == "deliberation" else sensitivity_page(study, config)
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    say(config.page, str(write_text(folder / f"{config.page}.md", page)), state="written")


if __name__ == "__main__":
    stopped = "Stopped. Nothing was written; the same command begins anew."
    launch(main, to_study, config_name="rollouts", shape=RolloutStudyConfig, stopped=stopped)
