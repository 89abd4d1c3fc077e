"""Thinking between the marks of any family is found, and what follows is the answer."""

import pytest

from ccps.data.thinking import KNOWN, SINGLE, Marks, marks_in
from ccps.faithful import segment, think_block
from ccps.reasoning.answers import extract_answer


@pytest.mark.parametrize("marks", KNOWN, ids=lambda marks: marks.opening)
@pytest.mark.parametrize("space", ["", "\n", "\n\n"])
def test_steps_lie_between_the_marks(marks: Marks, space: str) -> None:
    text = f"{marks.opening}{space}a\n\nb{space}{marks.closing}{space}Answer: 4"
    assert [step.text for step in segment(text)] == ["a", "b"]
    block = think_block(text)
    assert (block.truncated, block.surplus_tags) == (False, 0)
    assert text[block.after :].strip() == "Answer: 4"


@pytest.mark.parametrize("marks", KNOWN, ids=lambda marks: marks.opening)
def test_a_thought_that_is_never_closed_is_cut_off(marks: Marks) -> None:
    text = f"{marks.opening}a\n\nb"
    assert [step.text for step in segment(text)] == ["a", "b"]
    assert think_block(text).truncated
    assert extract_answer(text).how == "cut off while thinking"


@pytest.mark.parametrize("closing", SINGLE[1::2])
def test_a_template_may_have_opened_the_thought(closing: str) -> None:
    assert [step.text for step in segment(f"a\n\nb{closing}c")] == ["a", "b"]
    assert extract_answer(f"Answer: 1{closing}Answer: 2").text == "2"


def test_a_mark_that_ends_every_turn_is_none_of_thinking() -> None:
    assert marks_in("a<|end|>b") == KNOWN[0]
    assert [step.text for step in segment("a<|end|>b")] == ["a<|end|>b"]


def test_the_first_opening_decides() -> None:
    assert marks_in("<think>[THINK] is a mark[/THINK]</think>") == KNOWN[0]
    assert marks_in("[THINK]so </think> is one too[/THINK]") == KNOWN[1]


def test_parity_knows_one_pair_alone() -> None:
    assert [step.text for step in segment("[THINK]a[/THINK]b", mode="parity")] == ["[THINK]a[/THINK]b"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Final Answer: **73**", "73"),
        ("**Final answer**: 73", "73"),
        ("Answer：73", "73"),
        ("<answer> 73 </answer>", "73"),
        ("<answer>7</answer> no, <answer>73</answer>", "73"),
        ("so\n#### 73", "73"),
        ("## Answer: 73", "73"),
        (r"<answer>7</answer> \boxed{73}", "73"),
    ],
)
def test_forms_of_the_last_answer(said: str, answer: str) -> None:
    assert extract_answer(f"<think>Answer: 1</think>{said}").text == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<Thinking>\nAnswer: 4\n</Thinking>\nAnswer: 5", "5"),
        ("<THINK>\nAnswer: 4\n</THINK>\nAnswer: 5", "5"),
        ("<think>\nAnswer: 4\n</think >\nAnswer: 5", "5"),
        ("<think><think>x</think>\nAnswer: 4\n</think>\nAnswer: 5", "5"),
        ("<think>x</think>\nAnswer: 5\n<think>\nAnswer: 4\n</think>", "5"),
        ("<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Answer: 5<|return|>", "5"),
        ("<|begin_of_thought|>x<|end_of_thought|><|begin_of_solution|>Answer: 5<|end_of_solution|>", "5"),
        ("<|channel|>analysis<|message|>Answer: 4", None),
    ],
)
def test_the_answer_behind_marks_in_other_dress(text: str, answer: str | None) -> None:
    assert extract_answer(text).text == answer


@pytest.mark.parametrize("opening", ["<THINK>", "<think >", "[think]", "<Thought>"])
def test_steps_begin_behind_marks_in_other_dress(opening: str) -> None:
    closing = opening.replace("<", "</").replace("[", "[/").lower()
    assert [step.text for step in segment(f"{opening}\nOne.\n\nTwo.\n{closing}\nAnswer: 5")] == ["One.", "Two."]
