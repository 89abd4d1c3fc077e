"""Files of other tools: what they say is read as it is meant, and what cannot be is refused or said."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccps.core.errors import UserError
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.trace import Trace


def read(path: Path, *rows: dict[str, Any], k: int = 2) -> list[Trace]:
    (path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_traces(path / "t.jsonl", k).traces)


def token(text: str, *logprobs: float) -> dict[str, Any]:
    top = [{"token": f"{text}{i}", "logprob": value} for i, value in enumerate(logprobs)]
    return {"token": text, "logprob": logprobs[0], "top_logprobs": top}


CHAT: dict[str, Any] = {
    "id": "c",
    "choices": [
        {
            "message": {"role": "assistant", "content": "It is 4", "reasoning_content": "2+2.\n\nSo 4."},
            "finish_reason": "stop",
            "logprobs": {"content": [token("It", -0.5, -1), token(" is", -0.25, -2), token(" 4", 0.0, -30)]},
        }
    ],
}


def test_a_chat_completion_is_its_reasoning_and_its_answer(tmp_path: Path) -> None:
    [trace] = read(tmp_path, CHAT)
    assert trace.text == "<think>\n2+2.\n\nSo 4.\n</think>\n\nIt is 4"
    assert (trace.id, trace.ended, trace.correct) == ("c", True, None)
    assert trace.log_probs is not None
    assert trace.offsets is not None
    assert trace.log_probs.tolist() == [-0.5, -0.25, 0.0]
    assert [trace.text[start:end] for start, end in trace.offsets] == ["It", " is", " 4"]


def test_log_probabilities_of_the_answer_alone_leave_the_reasoning_without(tmp_path: Path) -> None:
    [trace] = read(tmp_path, CHAT)
    assert trace.misaligned.startswith("no token stands for character 0")


def test_without_reasoning_the_tokens_are_the_whole_text(tmp_path: Path) -> None:
    choice = CHAT["choices"][0] | {"message": {"content": "It is 4"}}
    [trace] = read(tmp_path, CHAT | {"choices": [choice]})
    assert (trace.text, trace.misaligned) == ("It is 4", "")
    assert trace.top_log_probs is not None
    np.testing.assert_array_equal(trace.top_log_probs, [[-0.5, -1], [-0.25, -2], [0, -30]])


def test_tokens_that_are_not_the_text_are_said(tmp_path: Path) -> None:
    choice = CHAT["choices"][0] | {"message": {"content": "It is five"}}
    [trace] = read(tmp_path, CHAT | {"choices": [choice]})
    assert (trace.offsets, trace.log_probs) == (None, None)
    assert trace.misaligned == "the texts of the tokens are not the text of the trace"


def test_every_choice_is_a_trace(tmp_path: Path) -> None:
    texts = [{"text": "a", "finish_reason": "length"}, {"text": "b"}, {"text": None}]
    traces = read(tmp_path, {"id": "x", "choices": texts})
    assert [(one.id, one.text, one.ended) for one in traces] == [("x", "a", False), ("x#2", "b", None)]


def test_completions_of_vllm(tmp_path: Path) -> None:
    logprobs = {"tokens": ["a", "b"], "token_logprobs": [None, -1.5], "top_logprobs": [None, {"b": -1.5, "c": -9999.0}]}
    [trace] = read(tmp_path, {"choices": [{"text": "ab", "logprobs": logprobs}]})
    assert trace.log_probs is not None
    np.testing.assert_array_equal(trace.log_probs, [np.nan, -1.5])
    assert trace.top_log_probs is not None
    assert np.isnan(trace.top_log_probs).all()


def test_batch_output(tmp_path: Path) -> None:
    [trace] = read(tmp_path, {"custom_id": "q7", "response": {"status_code": 200, "body": {**CHAT, "id": "other"}}})
    assert (trace.id, trace.text[-7:]) == ("q7", "It is 4")


def test_samples_of_a_harness(tmp_path: Path) -> None:
    row = {"doc_id": 3, "doc": {"question": "2+2?"}, "target": "4", "resps": [["It is 4."]], "exact_match": 1.0}
    [trace] = read(tmp_path, row)
    assert (trace.id, trace.question, trace.gold, trace.text, trace.correct) == ("3", "2+2?", ("4",), "It is 4.", True)
    several = read(tmp_path, row | {"resps": [["4", "5"]]})
    assert [(one.id, one.text, one.correct) for one in several] == [("3", "4", None), ("3#2", "5", None)]


@pytest.mark.parametrize(
    ("given", "value"),
    [(1, True), (0, False), (1.0, True), ("1", True), ("True", True), (False, False), (None, None)],
)
def test_correct_in_any_form(tmp_path: Path, given: object, value: bool | None) -> None:
    assert read(tmp_path, {"text": "x", "correct": given})[0].correct is value


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"type": "stop", "matched": 2}, True),
        ({"type": "length"}, False),
        ("stop", True),
        ("length", False),
        ("end_turn", True),
        (True, True),
        ("EOS", True),
        ("abort", False),
    ],
)
def test_why_a_generation_ended(tmp_path: Path, given: object, value: bool) -> None:
    assert read(tmp_path, {"text": "x", "ended": given})[0].ended is value


def test_an_answer_beside_correct_is_what_the_model_said(tmp_path: Path) -> None:
    assert read(tmp_path, {"text": "x", "answer": "5", "correct": False})[0].gold == ()
    assert read(tmp_path, {"text": "x", "answer": "5"})[0].gold == ("5",)


def test_a_rounding_above_zero_is_zero_and_a_sentinel_is_missing(tmp_path: Path) -> None:
    [trace] = read(tmp_path, {"text": "ab", "logprobs": [1.1920928955078125e-07, -9999.0, -1e30]})
    assert trace.log_probs is not None
    np.testing.assert_array_equal(trace.log_probs, [0.0, np.nan, np.nan])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"correct": 2, "text": "x"}, "`correct` should be true or false"),
        ({"correct": "maybe", "text": "x"}, "`correct` should be true or false"),
        ({"ended": "whenever", "text": "x"}, "`ended` should be true or false"),
        ({"text": "x", "logprobs": [1.0]}, "`logprobs` holds 1"),
        ({"choices": []}, "`choices` is empty"),
        ({"choices": ["x"]}, "`choices.0` should be an object"),
        ({"choices": [{"message": {"content": ["x"]}}]}, "content` should be text"),
        ({"resps": [[["x", 1]]]}, "`resps` should be a list of lists of texts"),
        ({"resps": [[["-1.5", "False"]], [["-2.5", "True"]]]}, "likelihoods of options"),
        ({"resps": [[[-1.5, False]]]}, "likelihoods of options"),
        ({"text": "x", "gold": [["4"]]}, "`gold` should be text, a number or a list of these"),
        ({"text": "x", "gold": "{'value': 4}"}, "`gold` is a mapping"),
        ({"text": "x", "gold": [math.nan]}, "`gold` should be text, a number or a list of these"),
        ({"resps": []}, "`resps` should be a list of lists of texts"),
        ({"other": 1}, "no `text`"),
    ],
)
def test_what_is_of_no_known_form_is_refused_with_its_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match="line 1: ") as error:
        read(tmp_path, row)
    assert message in str(error.value)


def test_two_values_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a", "text": "b"}')
    with pytest.raises(UserError, match="two values called `text`"):
        read_traces(tmp_path / "t.jsonl")


def test_a_line_of_sglang(tmp_path: Path) -> None:
    meta = {
        "id": "a",
        "finish_reason": {"type": "length", "length": 1},
        "output_token_logprobs": [[-0.1, 5, "Hi"]],
        "output_top_logprobs": [[[-0.1, 5, "Hi"], [-2.0, 6, "Ho"]]],
    }
    [trace] = read(tmp_path, {"text": "Hi", "output_ids": [5], "meta_info": meta})
    assert (trace.id, trace.ended, trace.token_ids) == ("a", False, [5])
    assert trace.log_probs is not None
    assert trace.top_log_probs is not None
    assert trace.log_probs.tolist() == [-0.1]
    assert trace.top_log_probs[0, :2].tolist() == [-0.1, -2.0]


def test_a_thought_that_was_cut_off_stays_open(tmp_path: Path) -> None:
    message = {"content": None, "reasoning_content": "so far"}
    [trace] = read(tmp_path, {"choices": [{"message": message, "finish_reason": "length"}]})
    assert trace.text == "<think>\nso far"


@pytest.mark.parametrize(
    ("gold", "expected"), [("['4', '5']", ("4", "5")), ("", ()), (math.nan, ()), ("[1, 2]", ("[1, 2]",)), (4, ("4",))]
)
def test_right_answers_as_tables_hold_them(tmp_path: Path, gold: object, expected: tuple[str, ...]) -> None:
    [trace] = read(tmp_path, {"text": "x", "gold": gold})
    assert trace.gold == expected


def test_the_token_that_ends_a_turn_has_no_width(tmp_path: Path) -> None:
    for end in ("<|im_end|>", "</s>", "<｜end▁of▁sentence｜>", ""):
        tokens = [token("It", -0.5), token(" is", -0.25), token(end, -0.1)]
        choice = {"message": {"content": "It is"}, "finish_reason": "stop", "logprobs": {"content": tokens}}
        [trace] = read(tmp_path, CHAT | {"choices": [choice]})
        assert trace.misaligned == ""
        assert trace.offsets is not None
        assert trace.offsets.tolist() == [[0, 2], [2, 5], [5, 5]]


def test_parts_of_a_character_are_read_from_their_bytes(tmp_path: Path) -> None:
    parts = [("5", b"5"), ("\\xe2\\x82", b"\xe2\x82"), ("\\xac", b"\xac"), ("!", b"!")]
    tokens = [token(name, -0.5) | {"bytes": list(raw)} for name, raw in parts]
    choice = {"message": {"content": "5€!"}, "finish_reason": "stop", "logprobs": {"content": tokens}}
    [trace] = read(tmp_path, CHAT | {"choices": [choice]})
    assert trace.misaligned == ""
    assert trace.offsets is not None
    assert trace.offsets.tolist() == [[0, 1], [1, 1], [1, 2], [2, 3]]


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"message": {"content": text}, "finish_reason": "stop", **more}


def test_choices_stand_in_the_order_of_their_indices(tmp_path: Path) -> None:
    traces = read(tmp_path, {"id": "c", "choices": [said("second", index=1), said("first", index=0)]})
    assert [(trace.id, trace.text) for trace in traces] == [("c", "first"), ("c#2", "second")]


def test_several_choices_without_an_id_are_told_apart(tmp_path: Path) -> None:
    traces = read(tmp_path, {"choices": [said("a"), said("b")]}, {"choices": [said("c")]})
    assert [trace.id for trace in traces] == ["1", "1#2", "2"]


def test_one_word_on_several_choices_is_that_of_nobody_knows_which(tmp_path: Path) -> None:
    row = {"id": "c", "choices": [said("a"), said("b")]}
    assert [trace.correct for trace in read(tmp_path, row | {"correct": True})] == [None, None]
    assert [trace.correct for trace in read(tmp_path, row | {"correct": ["yes", 0]})] == [True, False]
    with pytest.raises(UserError, match="one entry for each of the 2 choices, but has 3"):
        read(tmp_path, row | {"correct": [1, 0, 1]})


def test_what_stands_beside_the_body_of_a_batch_is_read(tmp_path: Path) -> None:
    [trace] = read(tmp_path, {"custom_id": "q", "gold": "4", "response": {"body": {"choices": [said("a")]}}})
    assert (trace.id, trace.gold) == ("q", ("4",))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"custom_id": "q", "response": {"status_code": 500, "body": {"error": {}}}}, "where a request has failed"),
        (
            {"choices": [{"text": ["a"], "logprobs": {"content": [token("a", -1)]}}]},
            "text` should be text",
        ),
        ({"choices": [said("a", logprobs=[-0.1])]}, "`logprobs` should be an object"),
        ({"choices": [said("a", logprobs={"token_logprobs": [-1], "top_logprobs": 7})]}, "`logprobs.top_logprobs`"),
        ({"text": "a", "meta_info": {"output_top_logprobs": [7]}}, "`meta_info.output_top_logprobs` should be"),
        ({"text": "a", "meta_info": {"output_top_logprobs": [[7]]}}, "`meta_info.output_top_logprobs` should be"),
        ({"meta_info": {"id": "s"}}, "none of them with text"),
        ({"text": "a", "gold": "\ud800"}, "`gold` holds half of a surrogate pair"),
        ({"text": "a", "steps": [{"text": "\ud800"}]}, "`steps.0.text` holds half of a surrogate pair"),
        ({"text": "a", "steps": [{"text": "a", "alternatives": ["\udfff"]}]}, "`steps.0.alternatives` holds half"),
    ],
)
def test_what_no_tool_writes_is_refused(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, row)
