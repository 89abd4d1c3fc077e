"""The published layouts of traces with rollouts, and the same traces as lines of our own."""

import json
from pathlib import Path

import pytest
from tiny_rollouts import ACCURACY, ALTERNATIVES, DIFFERENT, MODELS, SENTENCES, TEXT, row, write_file, write_folder

from ccps.core.errors import UserError
from ccps.reasoning.jsonl import glance, read_traces
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.jsonl_writing import write_traces
from ccps.reasoning.thought_anchors import files_of, from_hub, problems
from ccps.reasoning.trace import Trace


def written(folder: Path, layout: str) -> Path:
    if layout == "file":
        return write_file(folder / "traces.jsonl.gz")
    return write_folder(folder / "rollouts", hub=layout == "hub")


def told(trace: Trace) -> tuple[object, ...]:
    steps = [(step.text, step.alternatives, dict(step.scores)) for step in trace.steps]
    return trace.id, trace.model, trace.question_id, trace.question, trace.gold, trace.text, trace.correct, steps


@pytest.mark.parametrize("layout", ["file", "repository", "hub"])
def test_each_layout_gives_the_same_traces(tmp_path: Path, layout: str) -> None:
    loaded = read_traces(written(tmp_path, layout))
    assert loaded.n == 8
    assert {name: content.traces for name, content in loaded.contents.items()} == dict.fromkeys(MODELS, 4)
    for content in loaded.contents.values():
        assert content.alternatives == 4 * 3
        assert sorted(content.scores) == ["accuracy", "different"]
    [trace] = [one for one in loaded.traces if one.id == "tiny-b/correct_base_solution/problem_2"]
    steps = [
        (text, tuple(others), {"different": different, "accuracy": accuracy})
        for text, others, different, accuracy in zip(SENTENCES, ALTERNATIVES, DIFFERENT, ACCURACY, strict=True)
    ]
    assert told(trace) == (trace.id, "tiny-b", "problem_2", "What is 2 + 2?", ("4",), TEXT, True, steps)


def test_a_part_is_read_by_model_pattern_number_and_score(tmp_path: Path) -> None:
    path = written(tmp_path, "repository")
    choice = Choice("tiny-a", ("*/correct*/*_1", "*/incorrect*/*_2"), ("accuracy",), k=1)
    first, second = read_traces(path, choice=choice).traces
    assert (first.id, second.id) == (
        "tiny-a/correct_base_solution/problem_1",
        "tiny-a/incorrect_base_solution/problem_2",
    )
    assert [len(step.alternatives) for step in first.steps] == [1, 1, 0]
    assert [dict(step.scores) for step in first.steps] == [{"accuracy": value} for value in ACCURACY]
    bare = Choice(alternatives=False)
    assert {content.alternatives for content in read_traces(path, choice=bare).contents.values()} == {0}
    with pytest.raises(UserError, match="to be patterns that fit the id of a trace"):
        read_traces(path, choice=Choice(only=("*/problem_3",)))


def test_a_folder_below_its_model_knows_the_model(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "rollouts", hub=True)
    found = problems(root / "tiny-a" / "temperature_0.6_top_p_0.95" / "correct_base_solution")
    assert [one.id for one in found] == [f"tiny-a/correct_base_solution/problem_{n}" for n in (1, 2)]
    names = {path.name for path in files_of(found[0], alternatives=True)}
    assert names == {"base_solution.json", "problem.json", "chunks_labeled.json", "solutions.json"}
    assert "solutions.json" not in {path.name for path in files_of(found[0], alternatives=False)}


def test_what_is_not_as_the_authors_write_it_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "rollouts")
    one, other = (root / "tiny-a" / "correct_base_solution" / f"problem_{n}" for n in (1, 2))
    (one / "base_solution.json").unlink()
    (other / "chunks_labeled.json").write_text(json.dumps([{"text": "no chunk"}]))
    with pytest.raises(UserError) as error:
        read_traces(root)
    assert "tiny-a/correct_base_solution/problem_1: base_solution.json cannot be read" in str(error.value)
    assert "tiny-a/correct_base_solution/problem_2: chunks_labeled.json should hold objects" in str(error.value)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("x", "`steps` should be a list of objects"),
        ([{"text": 3}], "`steps.0.text` should be text"),
        ([{"text": "a", "alternatives": [1]}], "`steps.0.alternatives` should be a list of texts"),
        ([{"text": "a"}, {"text": "a", "different": 1.5}], "`steps.1.different` is 1.5, and a score lies in"),
    ],
)
def test_steps_that_are_none_are_refused(tmp_path: Path, steps: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_traces(write_file(tmp_path / "traces.jsonl.gz", row("tiny-a", 1, True, steps=steps)))


def test_what_is_no_number_is_no_score_and_null_is_missing(tmp_path: Path) -> None:
    steps = [{"text": "a", "start": 7, "tags": ["x"], "sure": True, "different": None, "own": 0.5}]
    [trace] = read_traces(write_file(tmp_path / "traces.jsonl.gz", row("tiny-a", 1, True, steps=steps))).traces
    assert dict(trace.steps[0].scores) == {"own": 0.5}


def test_traces_with_steps_are_written_as_they_are_read(tmp_path: Path) -> None:
    traces = list(read_traces(written(tmp_path, "file")).traces)
    write_traces(tmp_path / "again.jsonl", traces)
    assert [told(one) for one in read_traces(tmp_path / "again.jsonl").traces] == [told(one) for one in traces]


def test_a_glance_tells_what_a_file_brings(tmp_path: Path) -> None:
    (tmp_path / "plain.jsonl").write_text('{"text": "a"}\nno JSON, and nobody minds yet\n')
    assert glance(tmp_path / "plain.jsonl") == (0, 0, ())
    assert glance(written(tmp_path, "file")) == (8, 24, ("different", "accuracy"))


def test_the_hub_is_asked_for_what_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, object] = {}

    def download(repository: str, **how: object) -> str:
        asked.update(how, repository=repository)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert from_hub("lab/rollouts", ["*llama-8b/*/problem_33"], alternatives=False) == tmp_path
    assert asked["repository"] == "lab/rollouts"
    assert asked["repo_type"] == "dataset"
    where = "**llama-8b*/**/problem_33"
    names = ("base_solution.json", "problem.json", "chunks_labeled.json")
    assert asked["allow_patterns"] == [f"{where}/{name}" for name in names]
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **how: 1 / 0)
    with pytest.raises(UserError, match="no readable data set `lab/rollouts`"):
        from_hub("lab/rollouts", [], alternatives=True)
