"""The commands in the headers of `conf/benchmark/` and in docs/extending.md are whole: they compose and fit."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ccps.data.benchmarks import BenchmarkSpec
from ccps.settings.experiment import Config
from ccps.stages.main.checks import to_config

ROOT = Path(__file__).parents[3]
CONF = ROOT / "conf"
PROGRAM = "python -m experiments.reproduce "
EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def header(file: Path) -> str:
    comments = takewhile(lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines())
    return "\n".join(line.removeprefix("#") for line in comments)


def commands(text: str) -> list[list[str]]:
    """The arguments of each command, its lines joined at backslashes."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [shlex.split(arguments) for arguments in re.findall(rf"{PROGRAM}([^`\n]+)", joined)]


@cache
def fitting(*overrides: str) -> Config:
    """What a command asks for; a command that stands in two files is composed once."""
    with initialize_config_dir(str(CONF), version_base=None):
        settings: Any = OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)
    return to_config({str(key): value for key, value in settings.items()})


def specs(config: Config) -> Iterator[BenchmarkSpec]:
    yield from (*config.train.values(), *config.test.values())


COMMANDS = {file.stem: commands(header(file)) for file in sorted((CONF / "benchmark").glob("*.yaml"))}


def test_lines_are_joined_and_quotes_read() -> None:
    text = f" As in\n   {PROGRAM}a=[x] 'b@c=[y]' \\\n     d=1 \\\n     e=2\n or `{PROGRAM}f=3`.\n"
    assert commands(text) == [["a=[x]", "b@c=[y]", "d=1", "e=2"], ["f=3"]]


def test_what_the_default_experiment_does_not_take_as_it_is_says_how_it_is_run() -> None:
    for name, found in COMMANDS.items():
        first = next(iter(OmegaConf.load(CONF / "benchmark" / f"{name}.yaml").values()))
        needed = first.source == "datasets" or first.get("format") == "oe"
        assert len(found) == needed, name


@pytest.mark.parametrize("name", [name for name, found in COMMANDS.items() if found])
def test_the_command_of_a_benchmark_fits(name: str) -> None:
    (overrides,) = COMMANDS[name]
    config = fitting(*overrides)
    # The file is what the command is about, and is not left out of training as a copy of the test.
    assert any(re.fullmatch(rf"benchmark@(train|test)=\[{name}\]", override) for override in overrides)
    assert set(OmegaConf.load(CONF / "benchmark" / f"{name}.yaml")) <= {*config.train, *config.test}
    assert not {*config.train} & {*config.test}
    # Nothing else is tested beside it.
    assert len({spec.format for spec in config.test.values()}) == 1
    # The first grader decides, and without labels it would know nothing.
    labelled = next(iter(config.grader.values())).name == "given"
    assert {spec.given_label is not None for spec in specs(config)} == {labelled}


def test_the_commands_of_the_guide_fit(tmp_path: Path) -> None:
    examples = re.findall(r"^```yaml\n# conf/(\S+)\n(.*?)^```$", EXTENDING, re.DOTALL | re.MULTILINE)
    assert len(examples) == EXTENDING.count("```yaml") == 4
    for path, text in examples:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    guide = commands(EXTENDING)
    for overrides in guide:
        fitting(*overrides, f"hydra.searchpath=[file://{tmp_path}]")
    used = {name for overrides in guide for name in re.findall(r"\w+", " ".join(overrides))}
    assert {Path(path).stem for path, _ in examples} <= used
