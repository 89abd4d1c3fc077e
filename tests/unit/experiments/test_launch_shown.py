"""Settings that are only shown: checked, without loading what a run needs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nursery import Nursery

ROOT = Path(__file__).parents[3]
ENTRIES = ("reproduce", "sweep", "faithful", "probes", "bench", "rollouts")
# Runs an entry point as `python -m` does, and says on stderr what was loaded.
RUN = """
import runpy, sys
entry, sys.argv = sys.argv[1], ["entry", *sys.argv[2:]]
try:
    runpy.run_module(entry, run_name="__main__")
finally:
    print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
Run = Callable[..., tuple[int, str, list[str], str]]


@pytest.fixture
def run(nursery: Nursery, tmp_path: Path) -> Run:
    """Exit code, output, what was loaded, what else was said on stderr."""

    def one(entry: str, *arguments: str) -> tuple[int, str, list[str], str]:
        shown, told = tmp_path / "shown", tmp_path / "told"
        with shown.open("w") as out, told.open("w") as err:
            code = nursery.run(RUN, f"experiments.{entry}", *arguments, out=out, err=err)
        said, _, loaded = told.read_text().partition("LOADED ")
        return code, shown.read_text(), loaded.split(), said

    return one


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--help"]], ids=["cfg", "help"])
def test_nothing_heavy_is_loaded_to_show_settings(run: Run, entry: str, flags: list[str]) -> None:
    code, shown, loaded, said = run(entry, *flags)
    assert (code, said) == (0, "")
    assert shown
    assert "hydra" in loaded
    assert not {"torch", "transformers", "lightning", "pandas", "numpy"} & set(loaded)


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--help"]], ids=["cfg", "help"])
def test_misspelt_settings_are_refused_all_the_same(run: Run, flags: list[str]) -> None:
    code, shown, loaded, said = run("reproduce", *flags, "sampling.trian_total=5", "seeds=[-1]", "perturbation=null")
    assert (code, shown) == (2, "")
    assert "torch" not in loaded
    assert said.splitlines()[1:-1] == [
        "  - expected `perturbation=null` to name a file of conf/perturbation, but got null: known here: paper",
        "  - expected `seeds` to be different numbers from 0 to 4294967295, but got [-1]",
        "  - unknown setting `sampling.trian_total`: did you mean `train_total`?",
    ]


def test_help_says_what_each_setting_means_with_its_value_and_range(run: Run) -> None:
    _, shown, _, _ = run("reproduce", "--help", "perturbation.radius=7")
    lines = shown.splitlines()
    assert lines[0].startswith("Know when a language model is right.")
    assert "perturbation: paper" in lines
    place = lines.index("  perturbation.radius=7")
    assert lines[place + 1].strip() == (
        "Largest distance from the original state (the paper's code: 20). A number from 1e-06 to 1000000."
    )
    assert "  model.NAME.location=… (has to be given)" in lines
    assert any(line.startswith("method [ccps, ccps_logistic, stack,") for line in lines)
    assert lines[-1].startswith("See all settings:")


@pytest.mark.parametrize(("entry", "example"), [("faithful", "faithful.sampling.k=1,3,10"), ("bench", "quick=true")])
def test_help_keeps_the_examples_of_its_entry_point(run: Run, entry: str, example: str) -> None:
    _, shown, _, _ = run(entry, "--help")
    assert example in shown


@pytest.mark.parametrize("flag", ["--help", "--cfg=job"])
def test_a_closed_pipe_ends_quietly(flag: str) -> None:
    """As `| head -1` does, which leaves before all is said."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        command = [sys.executable, "-m", "experiments.reproduce", *flag.split("=")]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=ROOT, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
