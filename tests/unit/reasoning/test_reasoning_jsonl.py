"""Traces made elsewhere: every way of writing them, and every way of writing them wrong."""

import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccps.core.errors import UserError
from ccps.faithful import token_confidence
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.trace import Trace

NAN = math.nan


def written(folder: Path, *rows: Any, name: str = "traces.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def one(folder: Path, **row: Any) -> Trace:
    [trace] = read_traces(written(folder, {"text": "a b", **row})).traces
    return trace


def test_text_is_all_it_takes(tmp_path: Path) -> None:
    loaded = read_traces(written(tmp_path, {"text": "<think>x</think> 7"}, "", {"text": ""}))
    first, second = loaded.traces
    assert (loaded.n, loaded.left_out) == (2, {})
    assert (first.id, first.text, second.id, second.text) == ("1", "<think>x</think> 7", "3", "")
    assert (first.question_id, first.ended, first.correct, first.gold, first.misaligned) == ("", None, None, (), "")
    assert (first.token_ids, first.offsets, first.top_log_probs, first.log_probs) == (None,) * 4
    assert list(first.prompt_ids) == []


def test_all_that_can_be_known_is_read(tmp_path: Path) -> None:
    trace = one(
        tmp_path,
        id="q7#2",
        question_id="q7",
        question="Why?",
        prompt="<user>Why?",
        gold=["b", 7, 0.5],
        correct=False,
        ended=True,
        prompt_ids=[1, 2],
        token_ids=[5, 6, 0],
        offsets=[[0, 1], [1, 3], [3, 3]],
        logprobs=[-0.5, -1, None],
        top_logprobs=[[-0.5, -2.5], [-1, -1.25], [0, -9]],
        something="else",
    )
    assert (trace.id, trace.question_id, trace.question, trace.prompt) == ("q7#2", "q7", "Why?", "<user>Why?")
    assert (trace.gold, trace.correct, trace.ended) == (("b", "7", "0.5"), False, True)
    assert (trace.prompt_ids, trace.token_ids, trace.misaligned) == ([1, 2], [5, 6, 0], "")
    assert trace.offsets is not None
    assert trace.offsets.tolist() == [[0, 1], [1, 3], [3, 3]]
    np.testing.assert_array_equal(trace.log_probs, [-0.5, -1, NAN])
    np.testing.assert_array_equal(
        trace.top_log_probs, [[-0.5, -2.5, NAN, NAN, NAN], [-1, -1.25, NAN, NAN, NAN], [0, -9, NAN, NAN, NAN]]
    )


@pytest.mark.parametrize(("value", "gold"), [("x", ("x",)), (7, ("7",)), (["x", "y"], ("x", "y")), (None, ())])
def test_the_right_answer_has_two_names(tmp_path: Path, value: Any, gold: tuple[str, ...]) -> None:
    assert one(tmp_path, answer=value).gold == one(tmp_path, gold=value).gold == gold
    assert one(tmp_path, gold="z", answer="x").gold == ("z",)


def test_the_ids_of_the_prompt_have_vllms_name_too(tmp_path: Path) -> None:
    assert one(tmp_path, prompt_token_ids=[3, 4]).prompt_ids == [3, 4]


def test_traces_without_a_name_are_called_after_their_question(tmp_path: Path) -> None:
    path = written(tmp_path, *({"text": "x", "question_id": name} for name in ("a", 7, "a", "a")), {"text": "y"})
    assert [trace.id for trace in read_traces(path).traces] == ["a", "7", "a#2", "a#3", "5"]


VLLM = {"11": {"logprob": -0.5, "rank": 1, "decoded_token": "x"}, "12": {"logprob": -2.0, "rank": 2}}
OPENAI = [{"token": "x", "logprob": -0.5, "bytes": None}, {"token": "y", "logprob": -2.0}]


@pytest.mark.parametrize("position", [[-0.5, -2.0], [-2.0, None, -0.5], VLLM, OPENAI, {"x": -0.5, "y": -2}], ids=str)
def test_alternatives_come_in_many_forms(tmp_path: Path, position: Any) -> None:
    trace = one(tmp_path, top_logprobs=[position])
    np.testing.assert_array_equal(trace.top_log_probs, [[-0.5, -2.0, NAN, NAN, NAN]])


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        # The sampled token, which vLLM adds, is not among the best five.
        ("[-9.5, -0.1, -3, -4, -5, -6]", [-0.1, -3, -4, -5, -6]),
        ("[-0.1, -3, -4, -5, -6, -Infinity]", [-0.1, -3, -4, -5, -6]),
        ("[-0.1, -3, -4, -5, -Infinity]", [NAN] * 5),
        ("[-0.1, NaN, -4, -5, -6, -7]", [NAN] * 5),
        ("[-0.1, Infinity, -4, -5, -6, -7]", [NAN] * 5),
        ("[-0.1, -3]", [-0.1, -3, NAN, NAN, NAN]),
        ("[]", [NAN] * 5),
        ("null", [NAN] * 5),
    ],
)
def test_the_best_of_each_position_are_kept(tmp_path: Path, position: str, expected: list[float]) -> None:
    path = written(tmp_path, f'{{"text": "ab", "top_logprobs": [{position}, [-1, -2, -3, -4, -5]]}}')
    [trace] = read_traces(path).traces
    np.testing.assert_array_equal(trace.top_log_probs, [expected, [-1, -2, -3, -4, -5]])
    # What is missing keeps its place.
    assert trace.top_log_probs is not None
    confidence = token_confidence(trace.top_log_probs)
    assert math.isnan(confidence[0]) == any(map(math.isnan, expected))
    assert confidence[1] == 3


def test_another_number_of_alternatives(tmp_path: Path) -> None:
    [trace] = read_traces(written(tmp_path, {"text": "", "top_logprobs": [[-1, -2, -3], [-4]]}), k=2).traces
    np.testing.assert_array_equal(trace.top_log_probs, [[-1, -2], [-4, NAN]])
    [empty] = read_traces(written(tmp_path, {"text": "", "top_logprobs": []}), k=2).traces
    assert empty.top_log_probs is not None
    assert empty.top_log_probs.shape == (0, 2)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"token_ids": [1, 2], "offsets": [[0, 1], [1, 3]]}, ""),
        ({"token_ids": [1, 2]}, ""),
        ({"offsets": [[0, 1], [1, 3]]}, ""),
        ({"logprobs": [-1.0]}, ""),
        ({"token_ids": [1, 2, 3], "offsets": [[0, 1], [1, 3]]}, "2 token offsets for 3 tokens"),
        ({"token_ids": [1, 2], "logprobs": [-1.0]}, "log-probabilities of 1 positions for 2 tokens"),
        ({"offsets": [[0, 3]], "top_logprobs": [[-1], [-1]]}, "log-probabilities of 2 positions for 1 tokens"),
        ({"token_ids": [1], "offsets": [[0, 4]]}, "token offsets reach to character 4 of 3"),
        ({"token_ids": [1], "offsets": [[0, 1]]}, "no token stands for character 2 (1 such)"),
        ({"token_ids": [1, 2], "offsets": [[1, 3], [0, 1]]}, "token offsets that do not run through the text in order"),
        ({"token_ids": [1], "offsets": [[-1, 3]]}, "token offsets that do not run through the text in order"),
        ({"token_ids": [], "offsets": []}, "no token stands for character 0 (2 such)"),
        ({"misaligned": "tokenised again"}, "tokenised again"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    assert one(tmp_path, **row).misaligned == reason


def test_a_line_without_text_is_left_out_and_counted(tmp_path: Path) -> None:
    loaded = read_traces(written(tmp_path, {"text": None, "id": "x"}, {"text": "a", "id": "y"}, {"text": None}))
    assert (loaded.n, loaded.left_out) == (1, {"no text": 2})
    assert [trace.id for trace in loaded.traces] == ["y"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"text": "a"', "no JSON"),
        ("[1]", "JSON, but not an object"),
        ("{}", "no `text`"),
        ('{"text": 5}', "`text` should be text, but is 5"),
        ('{"text": "\\ud83d"}', "`text` holds half of a surrogate pair at character 0"),
        ('{"text": "a", "id": true}', "`id` should be text, but is true"),
        ('{"text": "a", "ended": "yes"}', '`ended` should be true or false, but is "yes"'),
        ('{"text": "a", "gold": {"a": 1}}', "`gold` should be text, a number or a list"),
        ('{"text": "a", "token_ids": [1, -2]}', "`token_ids` should be a list of token ids"),
        ('{"text": "a", "token_ids": [1, 2.5]}', "`token_ids` should be a list of token ids"),
        ('{"text": "a", "token_ids": [[1], [2, 3]]}', "`token_ids` should be a list of token ids"),
        ('{"text": "a", "token_ids": [1e999]}', "`token_ids` should be a list of token ids"),
        ('{"text": "a", "token_ids": 7}', "`token_ids` should be a list of token ids"),
        ('{"text": "a", "offsets": [0, 1]}', "`offsets` should be a list of [start, end]"),
        ('{"text": "a", "offsets": [[0, 1], [1]]}', "`offsets` should be a list of [start, end]"),
        ('{"text": "a", "logprobs": -1}', "`logprobs` should be a list of numbers"),
        ('{"text": "a", "logprobs": ["-1"]}', "`logprobs` should be numbers"),
        ('{"text": "a", "logprobs": [0.5]}', "`logprobs` holds 0.5; a logarithm of a probability is never above 0"),
        ('{"text": "a", "top_logprobs": [-1]}', "`top_logprobs` should be a list with the alternatives"),
        ('{"text": "a", "top_logprobs": {"a": [-1]}}', "`top_logprobs` should be a list with the alternatives"),
        ('{"text": "a", "top_logprobs": [[{"token": "x"}]]}', "`top_logprobs` should be numbers, or objects"),
        ('{"text": "a", "top_logprobs": [[-1, 2]]}', "`top_logprobs` holds 2; a logarithm"),
        ('{"text": "a", "id": "first"}', "the id 'first' is that of line 1 too"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    with pytest.raises(UserError) as error:
        read_traces(written(tmp_path, {"text": "x", "id": "first"}, line))
    assert f"line 2: {fault}" in str(error.value)


def test_all_bad_lines_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_traces(written(tmp_path, "{", {"text": "x"}, {"text": 1}, *["[]"] * 30))
    message = str(error.value)
    assert "32 that are not" in message
    assert "line 1: " in message
    assert "line 2: " not in message
    assert "line 3: " in message
    assert "line 21: " in message
    assert "and 12 more" in message


def test_bytes_that_are_no_text_are_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a"}\n{"text": "\xff\xfe"}\n')
    with pytest.raises(UserError, match="1 that are not:\nline 2: no JSON"):
        read_traces(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b'{"text": null}\n'])
def test_a_file_without_traces_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match="to be a file of traces"):
        read_traces(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain.jsonl.gz").write_text('{"text": "a"}\n')
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n' * 1000)[:-20])
    for name in ("none.jsonl", "plain.jsonl.gz", "torn.jsonl.gz"):
        with pytest.raises(UserError, match="to be a readable file of traces"):
            read_traces(tmp_path / name)


def test_a_folder_that_is_none_of_rollouts_says_what_is_meant(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"to be a folder of rollouts.*correct_base_solution/problem_N"):
        read_traces(tmp_path)
    path = written(tmp_path, {"text": "a"})
    with pytest.raises(UserError, match=f"Give the file in it: {re.escape(str(path))}"):
        read_traces(tmp_path)


def test_patterns_that_fit_no_id_say_what_an_id_is(tmp_path: Path) -> None:
    path = written(tmp_path, {"text": "a", "id": "b"})
    with pytest.raises(UserError, match=r"fit the id of a trace, but got none of c, d\*\. An id is MODEL/"):
        read_traces(path, choice=Choice(only=("c", "d*")))


def test_a_file_that_changes_between_looks_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"text": "a"})
    loaded = read_traces(path)
    assert len(list(loaded.traces)) == len(list(loaded.traces)) == 1
    path.write_text("{")
    with pytest.raises(UserError, match="line 1"):
        list(loaded.traces)


def test_traces_are_read_one_by_one(tmp_path: Path) -> None:
    """What follows a trace in the file is not parsed before it is asked for."""
    path = written(tmp_path, *({"text": "x" * 10_000} for _ in range(100)))
    traces = read_traces(path).traces
    assert next(traces).id == "1"
    with path.open("r+") as file:
        file.seek(900_000)
        file.write("\n{\n")
    with pytest.raises(UserError, match="line 9"):
        list(traces)
