"""From a command line to a command and back, whatever the command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import ended

from ccps.cli.command import COMMANDS, Answer, Command
from ccps.cli.main import parser_of
from ccps.core.errors import UserError

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "transformers", "lightning", "pandas", "pyarrow", "scipy", "sklearn", "datasets", "matplotlib"}
# Runs the command as its script does, and says on stderr what was loaded.
RUN = """
import sys
from ccps.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded_by(folder: Path, *arguments: str) -> tuple[int, str, set[str]]:
    """Exit code, output, and which packages were imported."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stdout, set(done.stderr.partition("LOADED ")[2].split())


@pytest.fixture
def command(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Add a command `probe_me` that does what it is given."""

    def add(run: Callable[[], Answer], *, takes_rest: bool = False) -> None:
        made = Command(
            "probe_me", 999, "Does it", {"ccps probe_me": "it"}, lambda parser: None, lambda _: run(), "", takes_rest
        )
        COMMANDS.register("probe_me", made)
        request.addfinalizer(lambda: COMMANDS.remove("probe_me"))

    return add


def test_a_page_says_which_command_is_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended() == 0
    page = capsys.readouterr().out
    for name, one in COMMANDS.items():
        assert f"  ccps {name} " in page
        assert one.summary in page
    assert ended("--help") == 0
    assert capsys.readouterr().out == page


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_shows_an_example_and_takes_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(name, "--help") == 0
    page = capsys.readouterr().out
    assert "--json" in page
    assert COMMANDS[name].examples
    for line, what in COMMANDS[name].examples.items():
        assert line.startswith(f"ccps {name}")
        assert f"  {line}" in page
        assert what in page
    assert max(map(len, page.splitlines())) <= 120


def test_a_wrong_name_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("exprot") == 2
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[0][:30]) == ("", "Expected `command` to be one o")
    assert said.err.endswith("but got 'exprot'. Choose export.\n")


def test_a_wrong_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("ls", "--stael") == 2
    assert "unrecognized arguments: --stael" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--help"], ["doctor"], ["ls"], ["prune"], ["report"]])
def test_nothing_heavy_is_loaded(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "artifacts").mkdir()
    code, shown, loaded = loaded_by(tmp_path, *arguments)
    assert code == 0
    assert shown
    assert not HEAVY & loaded


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ccps.cli", "--version"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ccps 0.1.0\n", "")


def test_json_has_stdout_for_itself(command: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is printed meanwhile, by this process or by one that it starts, goes to stderr."""

    def run() -> Answer:
        print("progress")
        subprocess.run(["echo", "a child"], check=True)
        return Answer({"value": 1.5, "name": "Grüße"}, ["for people"])

    command(run)
    assert ended("probe_me", "--json") == 0
    said = capfd.readouterr()
    assert json.loads(said.out) == {"value": 1.5, "name": "Grüße"}
    assert "for people" not in said.out
    assert set(said.err.split()) == {"progress", "a", "child"}
    print("afterwards")
    assert capfd.readouterr().out == "afterwards\n"


def test_lines_are_for_people_and_hide_nothing(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(lambda: Answer({}, ["a name with \u202e in it"], 2))
    assert ended("probe_me") == 2
    assert capsys.readouterr().out == "a name with ⟨U+202E⟩ in it\n"


def test_errors_end_as_those_of_entry_points(command: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    def refuse() -> Answer:
        raise UserError("Expected `x` to be y, but got z. Mend it.")

    command(refuse)
    assert ended("probe_me", "--json") == 2
    assert capfd.readouterr() == ("", "Expected `x` to be y, but got z. Mend it.\n")


def test_a_fault_of_ours_has_a_code_of_its_own(command: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> Answer:
        raise ZeroDivisionError("oh")

    command(fail)
    assert ended("probe_me") == 70
    assert "This is a fault of ours" in capfd.readouterr().err


def test_what_a_parser_does_not_know_is_the_commands_where_it_takes_it(command: Callable[..., None]) -> None:
    command(lambda: Answer({}), takes_rest=True)
    assert ended("probe_me", "--config-dir", "mine", "seeds=[1]") == 0
    assert parser_of(COMMANDS["probe_me"]).prog == "ccps probe_me"
