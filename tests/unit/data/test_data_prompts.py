from dataclasses import replace

import pytest

from ccps.data.prompts import SYSTEM_PROMPTS, chat_messages, user_message
from ccps.data.records import Question

MC = Question("quiz/0", "quiz", "Which way is up?", ("left", "up", "down"), ("b",), "test", "quiz")
OE = replace(MC, options=(), accepted=("up",))
USER = "Question:\nWhich way is up?\n\nChoices:\n  (a): left\n  (b): up\n  (c): down\nAnswer:"


def test_multiple_choice_layout() -> None:
    assert user_message(MC) == USER


def test_open_ended_layout() -> None:
    assert user_message(OE) == "Question: Which way is up?\nAnswer:"


def test_a_prompt_stands_before_the_question_without_separator() -> None:
    assert user_message(MC, prompt="Shots.\n") == "Shots.\n" + USER


def test_twenty_six_options_go_up_to_z() -> None:
    last = user_message(replace(MC, options=tuple(map(str, range(26))))).splitlines()[-2]
    assert last == "  (z): 25"


def test_system_prompt_is_that_of_the_format() -> None:
    system, user = chat_messages(MC)
    assert system["role"] == "system"
    assert system["content"].endswith("Do not include any explanation or additional text.")
    assert "letter of the correct option (e.g., a, b, c, d, ...)" in system["content"]
    assert user == {"role": "user", "content": USER}
    assert chat_messages(OE)[0]["content"].endswith("without phrases like 'the correct answer is'")


def test_templates_without_a_system_role() -> None:
    assert chat_messages(MC, system_role="omit") == [{"role": "user", "content": USER}]
    prepended = f"{SYSTEM_PROMPTS['mc']}\n\n{USER}"
    assert chat_messages(MC, system_role="prepend") == [{"role": "user", "content": prepended}]


def test_an_unknown_system_role_is_refused() -> None:
    with pytest.raises(ValueError, match="'asystem'"):
        chat_messages(MC, system_role="asystem")  # type: ignore[arg-type]
