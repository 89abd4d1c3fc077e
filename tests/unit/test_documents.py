"""What documents name is there: files behind links, paths in the account of the architecture, commands and targets."""

import re
import shlex
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser

from ccps.cli.command import COMMANDS
from ccps.cli.jobs import with_experiment
from ccps.cli.main import parser_of
from ccps.core.settings import typed
from ccps.settings.experiment import Config
from ccps.settings.faithful.run import FaithfulConfig
from ccps.settings.sweep import SweptConfig
from experiments.benchmarks.settings import BenchConfig
from experiments.launch import checked_overrides
from experiments.planning import without_plan
from experiments.probe_choice.settings import ProbesChoiceConfig
from experiments.rollout_study.settings import RolloutStudyConfig

ROOT = Path(__file__).parents[2]
DOCS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
# The commands of docs/extending.md take files that the reader has yet to write: test_data_commands.py writes them.
COMMANDED = [file for file in DOCS if file.name != "extending.md" and file.parent.name != "results"]
ENTRY_POINTS = {
    "reproduce": ("config", Config),
    "sweep": ("sweep", SweptConfig),
    "faithful": ("faithful", FaithfulConfig),
    "probes": ("probes", ProbesChoiceConfig),
    "bench": ("bench", BenchConfig),
    "rollouts": ("rollouts", RolloutStudyConfig),
}


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def without_code(words: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", words, flags=re.DOTALL)


def anchors(file: Path) -> set[str]:
    """Anchors of the headings of a document, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", text(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(file: Path) -> list[str]:
    return [
        link
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text(file)))
        if not re.match(r"https?:|mailto:", link)
    ]


@pytest.mark.parametrize("file", DOCS, ids=name)
def test_every_link_leads_somewhere(file: Path) -> None:
    dead = []
    for link in links(file):
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_links_are_found_and_anchors_made() -> None:
    assert "docs/architecture.md" in links(ROOT / "README.md")
    assert "where-a-new-thing-goes" in anchors(ROOT / "docs" / "architecture.md")


def paths(file: Path) -> set[str]:
    """What stands in backticks and looks like a path of the repository."""
    return set(re.findall(r"`((?:ccps|conf|docs|experiments|tests)/[\w./-]*)`", text(file)))


@pytest.mark.parametrize("file", [file for file in COMMANDED if file.name != "CHANGELOG.md"], ids=name)
def test_every_path_that_is_named_exists(file: Path) -> None:
    assert sorted(path for path in paths(file) if not (ROOT / path).exists()) == []


def test_the_account_of_the_architecture_names_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "ccps").glob("*/__init__.py")}
    named = {path.split("/")[1] for path in paths(ROOT / "docs" / "architecture.md") if path.startswith("ccps/")}
    assert rooms
    assert rooms - named == set()


def commands() -> Iterator[tuple[str, str, str]]:
    """File, entry point and arguments of every command that a document shows in a block or in backticks."""
    for file in COMMANDED:
        joined = re.sub(r"\\\n\s*", "", text(file))
        for program, arguments in re.findall(r"python -m experiments\.(\w+)(?![\w.])([^`\n|&;]*)", joined):
            yield name(file), program, re.sub(r"worker=\S*[${]\S*", "worker=2/8", arguments)  # what a shell fills in


@pytest.mark.parametrize(("file", "program", "arguments"), list(dict.fromkeys(commands())))
def test_the_settings_of_every_command_fit(
    file: str, program: str, arguments: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCPS_JUDGE_BASE_URL", "http://localhost:8000/v1")
    monkeypatch.setenv("CCPS_JUDGE_MODEL", "judge")
    config_name, shape = ENTRY_POINTS[program]
    given, _ = without_plan(shlex.split(arguments, comments=True))
    command = get_args_parser().parse_intermixed_args(given)
    check = partial(typed, wanted=shape)
    found = checked_overrides(command.overrides, config_name, check, multirun=command.multirun)
    assert len(found) == len(command.overrides)


def lines_of_the_command() -> Iterator[tuple[str, str, str]]:
    """File, command and arguments of every `ccps …` that a document shows in a block or in backticks."""
    for file in COMMANDED:
        for program, arguments in re.findall(r"(?:^|`|\$ )ccps ([a-z_]+)([^`\n|&;]*)", text(file), re.MULTILINE):
            yield name(file), program, arguments


@pytest.mark.parametrize(("file", "program", "arguments"), list(dict.fromkeys(lines_of_the_command())))
def test_every_command_that_is_shown_is_there_and_takes_what_it_is_given(
    file: str, program: str, arguments: str
) -> None:
    command = COMMANDS.find(program)
    given = shlex.split(arguments, comments=True)
    if not given:  # named, not called
        assert command.name == program
        return
    _, rest = parser_of(command).parse_known_args(given)
    assert not rest or command.takes_rest
    if program == "plan":
        program = parser_of(command).parse_known_args(given)[0].job
        rest, _ = without_plan([*rest, "plan=true"])
    if program in ("run", "sweep", "faithful") and "--config-dir" not in given:
        config_name, shape = ENTRY_POINTS[{"run": "reproduce"}.get(program, program)]
        hydra = get_args_parser().parse_intermixed_args(with_experiment(rest))
        checked_overrides(hydra.overrides, config_name, partial(typed, wanted=shape), multirun=hydra.multirun)


def test_every_command_has_a_place_in_the_guide() -> None:
    assert {one for file, one, _ in lines_of_the_command() if file == "docs/command.md"} == set(COMMANDS)


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", text(ROOT / "Makefile"), re.MULTILINE))
    named = set(chain.from_iterable(re.findall(r"(?:`|^ *)make ([a-z-]+)", text(file), re.MULTILINE) for file in DOCS))
    assert {"reproduce", "contract"} <= named
    assert named - targets == set()
