"""What `pip install` brings: a wheel from which the command runs in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import benchmark, write_questions

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SOURCES = ("ccps", "experiments", "conf", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a wheel of these sources was installed into, beside nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # building leaves files beside what it builds
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    offline = ("--no-deps", "--no-index")
    wheels = ["wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*PIP, *wheels], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*PIP, "install", *offline, "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "NO_COLOR": "1"}
    command = [sys.executable, str(installed / "bin" / "ccps"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_configurations_and_entry_points_are_in_it(installed: Path) -> None:
    there = {path.relative_to(ROOT) for path in (ROOT / "conf").rglob("*.yaml")}
    assert {path.relative_to(installed) for path in (installed / "conf").rglob("*.yaml")} == there
    for path in [*(ROOT / "ccps").rglob("*"), *(ROOT / "experiments").rglob("*")]:
        if path.is_file() and path.suffix != ".pyc":
            assert (installed / path.relative_to(ROOT)).is_file(), path


def test_an_experiment_is_run_told_and_moved_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    toy = [
        "smoke",
        "model=[tiny_random]",
        "benchmark@train=[]",
        "benchmark@test=[]",
        f"train.trees={benchmark(write_questions(tmp_path / 'trees.jsonl', 24, seed=1))}",
        f"test.boats={benchmark(write_questions(tmp_path / 'boats.jsonl', 12, seed=2))}",
        "method=[entropy,answer_probability,ccps_logistic]",
        "trainer=cpu",
        "logger=none",
    ]
    done = run(installed, here, "run", *toy, "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["runs"]
    assert told["report"] == str(here / "outputs" / "smoke" / "report.html")
    assert sorted(path.name for path in here.iterdir()) == ["artifacts", "outputs"]
    assert json.loads((here / "outputs" / "smoke" / "run.json").read_text())["commit"] is None

    stored = json.loads(run(installed, here, "ls", "--json").stdout)
    assert stored["runs"] == [{"name": "smoke", "output": told["output"], "report": True, "finished": True}]
    assert {one["state"] for one in stored["artifacts"]} == {"used"}

    assert run(installed, here, "export", "smoke", "smoke.tar").returncode == 0
    assert run(installed, there, "import", str(here / "smoke.tar")).returncode == 0
    moved = json.loads(run(installed, there, "ls", "--json").stdout)
    assert [one["key"] for one in moved["artifacts"]] == [one["key"] for one in stored["artifacts"]]

    # There it is found complete, and a page that was deleted is made anew, the same.
    page = (there / "outputs" / "smoke" / "report.html").read_bytes()
    shutil.rmtree(there / "outputs")
    assert run(installed, there, "report", "smoke").returncode == 0
    assert (there / "outputs" / "smoke" / "report.html").read_bytes() == page
    again = json.loads(run(installed, there, "ls", "--json").stdout)
    assert [one["key"] for one in again["artifacts"]] == [one["key"] for one in stored["artifacts"]]
    shutil.rmtree(there / "outputs")
    gone = json.loads(run(installed, there, "prune", "--yes", "--json").stdout)
    assert len(gone["deleted"]) == len(stored["artifacts"])
    assert not list((there / "artifacts").glob("[!.]*/*"))


def test_two_processes_share_a_run_that_the_command_starts(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed,
        tmp_path,
        "run",
        "smoke",
        "model=[tiny_random]",
        "benchmark@train=[]",
        "benchmark@test=[]",
        f"train.trees={benchmark(write_questions(tmp_path / 'trees.jsonl', 24, seed=1))}",
        f"test.boats={benchmark(write_questions(tmp_path / 'boats.jsonl', 12, seed=2))}",
        "method=[entropy]",
        "trainer=cpu",
        "trainer.devices=2",
        "logger=none",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["runs"]
    assert Path(told["report"]).exists()
