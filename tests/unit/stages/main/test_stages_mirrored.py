"""What W&B is shown of an experiment that has ended, to a run that keeps what it is given."""

from pathlib import Path

import pytest
import wandb
from PIL import Image
from wandb_run import Run

from ccps.stages.main.mirrored import mirror_outcome


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Diagrams, one other figure, and the scorers of two formats, of which one has chosen a method."""
    (tmp_path / "figures").mkdir()
    for name in ("reliability-m", "chosen-m-mc", "cost-m"):
        Image.new("RGB", (2, 2)).save(tmp_path / "figures" / f"{name}.png")
    for name in ("mc/best", "mc/ccps", "oe/ccps"):
        folder = tmp_path / "scorers" / "m" / name
        folder.mkdir(parents=True)
        (folder / "scorer.json").write_text('{"method": "stack", "format": "mc"}')
    return tmp_path


def test_diagrams_and_the_chosen_scorers_are_shown(output: Path) -> None:
    run = Run()
    mirror_outcome(run, output, "mine", {"m": ["mc", "oe"]})
    assert list(run.logged) == ["figures/chosen-m-mc", "figures/reliability-m"]
    assert all(isinstance(value, wandb.Image) for value in run.logged.values())
    [artifact] = run.artifacts
    assert (artifact.name, artifact.type) == ("mine-m-mc", "model")
    assert artifact.metadata["method"] == "stack"


def test_what_it_cannot_take_is_said_and_ends_nothing(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Full(Run):
        def log_artifact(self, artifact: wandb.Artifact) -> None:
            raise wandb.errors.CommError("no room")

    mirror_outcome(Full(), output, "mine", {"m": ["mc"]})
    assert "outcome not mirrored" in capsys.readouterr().out
