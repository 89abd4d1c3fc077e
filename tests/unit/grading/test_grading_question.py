import pytest

from ccps.data.records import Question
from ccps.grading.question import judge_messages, read_reply


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("yes", True),
        ("No", False),
        (" YES.\n", True),
        ("**No**", False),
        ("__yes__", True),
        ("“No!”", False),
        ("", None),
        ("maybe", None),
        ("yes and no", None),
        ("Yes, it is.", None),
        ("yes yes", None),
        ("nope", None),
        ("noyes", None),
        ("The answer is yes.", None),
        ("true", None),
        ("1", None),
    ],
)
def test_only_the_single_word_counts(reply: str, verdict: bool | None) -> None:
    assert read_reply(reply) is verdict


def test_the_judge_sees_question_accepted_answers_and_answer() -> None:
    question = Question("q", "s", "How {many}?", (), ("2 {legs}", "two"), "test", "s")
    system, user = judge_messages(question, "a {pair}")
    assert (system["role"], user["role"]) == ("system", "user")
    for text in ("How {many}?", "- 2 {legs}\n- two\n", "a {pair}"):
        assert text in user["content"]
    assert judge_messages(question, "a {pair}", again=True)[1]["content"].startswith(user["content"])
