"""What the three jobs would do for a list of stages, known without running any of them."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from composing import composed
from omegaconf import OmegaConf
from tiny import Tiny
from tiny_faithful import TinyFaithful, write_sums

from ccps.core.artifacts import Artifact
from ccps.pipeline.graph import Graph
from ccps.pipeline.job import Job
from ccps.pipeline.stage import Run, Stage
from ccps.settings.experiment import STAGES
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import READS as FAITHFUL
from ccps.stages.faithful.pipeline import run_faithful
from ccps.stages.main.checks import to_config
from ccps.stages.main.pipeline import READS as MAIN
from ccps.stages.main.pipeline import run_experiment
from ccps.stages.sweep.checks import to_sweep
from ccps.stages.sweep.pipeline import run_sweep
from experiments.configs import CONF


class PlannedError(Exception):
    """Ends a job when all of its stages are known."""


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Graph, list[tuple[Stage, Artifact]]]]:
    """The graph of a job, and its stages with what they would fill."""
    added: list[tuple[Stage, Artifact]] = []
    jobs: list[Job] = []
    add = Job.add

    def noted(job: Job, stage: Stage) -> Artifact:
        artifact = add(job, stage)
        added.append((stage, artifact))
        return artifact

    def stop(job: Job) -> None:
        jobs.append(job)
        raise PlannedError

    monkeypatch.setattr(Job, "add", noted)
    monkeypatch.setattr(Job, "run", stop)

    def call(run: Callable[..., Any], *arguments: Any) -> tuple[Graph, list[tuple[Stage, Artifact]]]:
        with pytest.raises(PlannedError):
            run(*arguments)
        return jobs[-1]._graph, added

    return call


@pytest.fixture(params=["main", "sweep", "faithful"])
def job(request: pytest.FixtureRequest, tiny: Tiny, tmp_path: Path, plan: Callable[..., Any]) -> Any:
    """One of the jobs: its name, graph and stages."""
    if request.param == "main":
        settings = tiny.settings("method=[ccps,ct,litcab,verbalised,self_consistency,entropy]")
        found = plan(run_experiment, to_config(settings), settings, Run(tiny.artifacts, "cpu"))
    elif request.param == "sweep":
        overrides = [text for text in tiny.overrides() if not text.startswith(("method=", "state_probe"))]
        settings = composed([*overrides, "sweep=smoke"], "sweep", to_sweep)
        found = plan(run_sweep, to_sweep(settings), settings, Run(tiny.artifacts, "cpu"))
    else:
        settings = TinyFaithful(tmp_path, write_sums(tmp_path / "sums.jsonl")).settings()
        found = plan(run_faithful, to_faithful(settings), settings, Run(tmp_path / "artifacts", "cpu"))
    assert not tiny.artifacts.exists()
    return request.param, *found


def test_what_is_said_of_all_runs_is_so_in_this_one(job: Any) -> None:
    name, graph, _ = job
    reads = {"main": MAIN, "faithful": FAITHFUL}.get(name, {})
    stages = {node.key: node.stage for node in graph.nodes}
    for node in graph.nodes:
        assert set(reads.get(node.stage, ())) <= {stages[key] for key in node.reads}, node.stage


def keys_in(value: Any) -> Iterator[str]:
    """All texts in plain values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from keys_in(one)
    elif isinstance(value, str):
        yield value


def test_whatever_decides_the_key_of_a_stage_is_among_what_it_reads(job: Any) -> None:
    """Also where its inputs hold a key in the place of an artifact, which the graph would not see."""
    _, _, stages = job
    keys = {artifact.key for _, artifact in stages}
    assert len(stages) > 10
    for stage, artifact in stages:
        read = {one.key for one in stage.reads()}
        assert {text for text in keys_in(artifact.inputs) if text in keys} <= read


OF_NEEDS = ["sample", "verbalise", "reference", "tune", "ask_tuned"]
READS = {
    "main": {
        "answer": set(),
        "grade": {"answer"},
        "sample": {"answer"},
        "verbalise": {"answer"},
        "reference": {"answer", "grade"},
        "tune": {"answer", "grade"},
        "ask_tuned": {"tune", "answer", "grade"},
        "extract": {"answer", "head"},
    },
    "sweep": {
        "sweep_flip": {"answer", "head"},
        "sweep_extract": {"answer", "head"},
        "sweep_fit": {"sweep_extract", "grade", "answer", "head"},
        "sweep_evaluate": {"sweep_fit", "sweep_extract", "grade", "answer", "head"},
    },
    "faithful": {
        "trace": set(),
        "read": {"trace"},
        "continue": {"trace"},
        "mark": {"trace"},
        "decide": {"trace"},
        "judge": {"trace", "continue"},
        "radii": {"trace", "read"},
        "confidence": {"trace", "read", "mark", "continue", "judge", "radii"},
    },
}


def test_a_stage_waits_for_what_it_reads_and_for_nothing_else(job: Any) -> None:
    name, graph, _ = job
    stage_of = {node.key: node.stage for node in graph.nodes}
    for stage, expected in READS[name].items():
        wanted = {stage_of[key] for key in graph.wanted([stage])}
        assert wanted - {stage} <= expected, stage
        if stage != "reference":  # of multiple choice it needs no grades
            assert wanted - {stage} == expected, stage


def test_what_is_wanted_is_what_can_be_reached(job: Any) -> None:
    _, graph, _ = job
    reads: dict[str, Sequence[str]] = {node.key: node.reads for node in graph.nodes}

    def follow(key: str) -> set[str]:
        return {key}.union(*(follow(one) for one in reads[key])) if reads[key] else {key}

    reached = {key: follow(key) for key in reads}
    names = list(dict.fromkeys(node.stage for node in graph.nodes))
    for asked in [*combinations(names, 1), *combinations(names, 2)]:
        expected = set().union(*(reached[node.key] for node in graph.nodes if node.stage in asked))
        assert graph.wanted(asked) == expected


@pytest.mark.parametrize(
    ("job", "asked", "there", "missing"),
    [
        ("main", ["score"], [], ["answer", "grade", *OF_NEEDS, "extract", "fit"]),
        ("main", ["extract", "fit"], ["answer", "grade", "reference", "tune", "ask_tuned"], []),
        ("main", ["fit"], ["answer", "grade", "reference", "tune", "ask_tuned"], ["extract"]),
        ("main", ["evaluate"], ["grade", "answer"], [*OF_NEEDS, "extract", "fit", "out_of_fold", "choose", "score"]),
        ("main", ["audit"], ["answer", "grade", "extract", "fit"], []),
        ("main", ["ask_tuned"], ["answer"], ["grade", "tune"]),
        ("sweep", ["sweep_fit"], ["answer"], ["grade", "sweep_extract"]),
        ("sweep", ["sweep_flip"], [], ["answer"]),
        ("faithful", ["faith_report"], [], [*READS["faithful"], "faith"]),
        ("faithful", ["confidence", "faith"], ["trace", "mark", "read"], ["continue", "decide", "judge", "radii"]),
        ("faithful", ["mark", "decide"], ["trace"], []),
        ("faithful", ["judge"], ["trace"], ["continue"]),
        ("faithful", ["trace", "read", "continue"], [], []),
    ],
    indirect=["job"],
)  # fmt: skip
def test_a_list_of_stages_and_what_it_lacks(job: Any, asked: list[str], there: list[str], missing: list[str]) -> None:
    _, graph, _ = job
    stage_of = {node.key: node.stage for node in graph.nodes}
    found = graph.missing([*asked, "head"], lambda key: stage_of[key] in there)
    assert {node.stage for node in found} == set(missing)


def lists_in_documents() -> Iterator[tuple[str, str]]:
    """Every list of the main job's stages that users are told to ask for, with the file that does."""
    root = CONF.parent
    for path in [*root.glob("*.md"), *root.glob("docs/*.md"), *CONF.rglob("*.yaml"), *root.glob("experiments/*.py")]:
        for found in re.findall(r"(?<![\w.])stages=\[([a-z_,]+)\]", path.read_text()):
            if path.name != "CHANGELOG.md" and set(found.split(",")) <= set(STAGES):
                yield path.relative_to(root).as_posix(), found


def test_the_lists_that_documents_name_lack_nothing_with_the_default_methods(
    tiny: Tiny, plan: Callable[..., Any]
) -> None:
    """Where whatever comes before the first of them is there."""
    defaults = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml").defaults)
    assert isinstance(defaults, list)
    (methods,) = (one["method"] for one in defaults if isinstance(one, dict) and "method" in one)
    settings = tiny.settings(f"method=[{','.join(methods)}]")
    graph, _ = plan(run_experiment, to_config(settings), settings, Run(tiny.artifacts, "cpu"))
    stage_of = {node.key: node.stage for node in graph.nodes}
    named = dict.fromkeys(lists_in_documents())
    assert {file for file, _ in named} >= {
        "docs/running.md",
        "docs/cluster.md",
        "conf/launcher/joblib.yaml",
        "conf/config.yaml",
    }
    for file, text in named:
        asked = text.split(",")
        before = STAGES[: min(STAGES.index(stage) for stage in asked)]
        missing = graph.missing([*asked, "head"], lambda key, before=before: stage_of[key] in before)
        assert not {node.stage for node in missing}, file
