"""The final answer in a generated text, as it should be found and as the released code finds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.reasoning.answers import extract_answer

HALF = r"\boxed{\frac{1}{2}}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"Halves.</think>It is {HALF}.", r"\frac{1}{2}"),
        (rf"\boxed{{3}} first.</think>\boxed{{4}}, no: {HALF}", r"\frac{1}{2}"),
        (r"<think>\boxed{3}</think>So \boxed{ 5 }.", "5"),
        (r"No tags at all, \boxed{7}.", "7"),
        (r"</think>\boxed{\boxed{9}}", "9"),
        (r"</think>\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"</think>\boxed {6} and \boxed{unfinished", "6"),
        (r"</think>{ \boxed{6}", "6"),
        (r"</think>\\boxed{8}", "8"),
        (r"</think>two lines \\ {a} \boxed{11}", "11"),
        (r"</think>Put it in \boxed{}. So \boxed{12}, in \boxed{}.", "12"),
        ("</think>\nAnswer: 13", "13"),
        ("</think>Answer: 13", "13"),
        ("</think>\n**Final Answer:** *14 apples*\n", "14 apples"),
        ("</think>\n> answer : 1\r\nFinal answer: 15\r\nDone.", "15"),
        ("</think>\nAnswer: 16\n" + r"\boxed{17}", "17"),
        ("</think>\nAnswer:\nAnswer: 18\nAnswer: **", "18"),
        (r"<think>cut off, but \boxed{19} was there", "19"),
        # The answer below its heading.
        ("</think>\n**Final Answer**\n\n20", "20"),
        ("</think>\n### Final Answer\n$x = 21$\n\nDone.", "$x = 21$"),
        ("</think>Final Answer:\n\\[\n\\frac{1}{2}\n\\]", r"\frac{1}{2}"),
        ("</think>The final answer:\n$$x = 22$$", "x = 22"),
        ("</think>Answer:\n- 23<|im_end|>", "23"),
        ("</think>**Final Answer**\nThe final answer is **24**.", "24"),
        ("Answer: 25\n## Answer\n## Explanation\nLong.", "25"),
        ("Answer: 26\n**Final Answer**\n27\nIt is not 28.", "27"),
        ("Final answer\n#### 29", "29"),
        # Boxes without braces, and by another name.
        (r"</think>So \boxed 30", "30"),
        (r"</think>It is \boxed31.", "31"),
        (r"</think>$\boxed -3.5$", "-3.5"),
        (r"</think>$\boxed \frac{1}{2}$, then.", r"\frac{1}{2}"),
        (r"</think>\boxed\text{\textbf{B}}", r"\text{\textbf{B}}"),
        (r"</think>The letter is $\boxed C$." + "\nDone", "C"),
        (r"</think>\fbox{32}", "32"),
        (r"</think>\boxed{33} is wrong, it is \boxed 34", "34"),
        (r"</think>\boxed 35 is wrong, it is \boxed{36}", "36"),
        # In a sentence, as few-shot prompts have it.
        ("</think>Final Answer: The final answer is $37$. I hope it is correct.", "$37$"),
        ("The final answer is 3.8. I hope it is correct.", "3.8"),
        ("</think>Final Answer:\nThe final answer is 39. I hope this is correct.", "39"),
        ("</think>Answer: So the answer is: 40.", "40"),
        ("</think>Answer: The answer is that of Gauss, 41", "that of Gauss, 41"),
    ],
)
def test_strict_takes_the_last_filled_box_behind_the_thinking_else_the_last_answer_line(text: str, answer: str) -> None:
    found = extract_answer(text)
    assert found.text == answer
    assert text[found.start : found.end] == answer


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"\boxed{3}</think>I do not know.", "no answer after the thinking"),
        ("Answer: 3</think>The answer is 3.", "no answer after the thinking"),
        ("Just words.", "no answer in the text"),
        ("", "no answer in the text"),
        ("<think>On and on", "cut off while thinking"),
        (r"</think>\boxed{ }", "the box is empty"),
        (r"</think>\boxed{3", "no answer after the thinking"),
        (r"</think>Put it in \boxed and stop.", "no answer after the thinking"),
        (r"</think>In a \boxed a number stands.", "no answer after the thinking"),
        (r"</think>\boxed 5x + 1", "no answer after the thinking"),
        (r"</think>\boxed\frac{1}{\sqrt{\frac{2}{3}}}", "no answer after the thinking"),
        ("</think>**Final Answer**\n\n---", "no answer after the thinking"),
        ("</think>It is the\nanswer: ", "no answer after the thinking"),
    ],
)
def test_strict_says_why_there_is_no_answer(text: str, reason: str) -> None:
    assert extract_answer(text) == (None, reason, -1, -1)


@pytest.mark.parametrize(
    ("text", "how", "answer"),
    [
        ("Final answer: 3\n</think>\nAnswer: 4", "final answer line", "3"),
        ("answer - 4\nFINAL  ANSWER -\n 5 \n", "final answer line", "5"),
        (r"Answer: 4 of \boxed{5}", "answer line", r"4 of \boxed{5}"),
        (rf"thinking \boxed{{1}}</think>{HALF}", "box", "1"),
        (HALF, "box", r"\frac{1"),
        ("first\n\n last \n \n", "last line", "last"),
        ("one\x0btwo", "last line", "two"),
        (" \n ", "last line", ""),
        ("", "last line", ""),
    ],
)
def test_parity_looks_everywhere_and_always_finds_something(text: str, how: str, answer: str) -> None:
    found = extract_answer(text, mode="parity")
    assert (found.how, found.text) == (how, answer)
    assert text[found.start : found.end] == answer


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode"):
        extract_answer("", mode="loose")  # type: ignore[arg-type]


@given(st.text(alphabet="{}\\boxed 1\n:answer<>/thik", max_size=60))
def test_what_is_found_is_a_part_of_the_text_and_balanced(text: str) -> None:
    found = extract_answer(text)
    if found.text is not None:
        assert text[found.start : found.end] == found.text != ""
        assert found.text == found.text.strip()
    if found.how == "box":
        assert found.text is not None
        bare = found.text.replace("\\\\", "").replace("\\{", "").replace("\\}", "")
        assert bare.count("{") == bare.count("}")


def test_many_open_boxes_take_no_time() -> None:
    text = r"\boxed{" * 200_000
    assert extract_answer(text).text is None
    assert extract_answer(text + "1}").text == "1"


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed\a{" * 50_000,
        "final answer is " * 5_000,
        "answer:\n$$" * 20_000,
        "answer\nx" + " " * 50_000 + "y" + "\n" * 50_000,
        "Answer: the answer is x" + " " * 50_000 + "y",
    ],
    ids=["commands", "sentences", "headings", "spaces", "said"],
)
def test_texts_made_to_take_long_do_not(text: str) -> None:
    found = extract_answer(text)
    assert found.text is None or len(found.text) < len(text)
