"""What a reasoning model is told: conditions, roles, and who opens the thinking."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec
from ccps.data.records import Question
from ccps.faithful import decisiveness, segment
from ccps.llm.chat import opens_thinking
from ccps.llm.random_model import byte_tokenizer
from ccps.reasoning.answers import extract_answer
from ccps.reasoning.messages import PHRASES, filled, reasoning_messages, reasoning_prompt
from ccps.settings.faithful.condition import Demonstration, PromptCondition
from ccps.settings.faithful.task import TaskSpec

CONF = Path(__file__).parents[3] / "conf" / "faithful" / "prompt"
NAMES = {
    "baseline", "basic", "genuine", "human", "perception", "self_monitoring", "self_correction", "evidence_gap",
    "ms_hedge", "ms_hedge_system", "ms_hedge_system_perception",
}  # fmt: skip
OURS = {"degrees", "degrees_shown"}
QUESTION = Question("q/0", "q", " What is 2 + 2?\n", (), ("4",), "test", "q")
BASELINE = PromptCondition()
BOTH = PromptCondition(user="Hedge.", system="You doubt.")
TASK = r"What is 2 + 2? Box it: \boxed{}"


@pytest.fixture
def task() -> TaskSpec:
    source = BenchmarkSpec(
        name="q", location="q", question="q", answer="a", answer_kind="text", format="oe", member="q"
    )
    return TaskSpec(name="q", prompt=r"{question} Box it: \boxed{}", answer="integer", source={"q": source})


@pytest.fixture
def tokenizer() -> Any:
    return byte_tokenizer()


def shipped(name: Any) -> Any:
    schema = OmegaConf.structured(PromptCondition)
    return OmegaConf.to_object(OmegaConf.merge(schema, OmegaConf.load(CONF / f"{name}.yaml")[name]))


def test_every_condition_of_the_paper_is_there() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == NAMES | OURS
    for name in NAMES:
        condition = shipped(name)
        assert bool(filled(condition.system)) == ("system" in name)
        assert bool(filled(condition.user)) == (name not in ("baseline", "ms_hedge_system"))
        assert "{" not in filled(condition.user) + filled(condition.system)
        assert condition.demonstrations == []
        assert "\n" not in filled(condition.user) or name == "ms_hedge"


def test_the_hedges_are_filled_in_where_they_are_asked_for() -> None:
    text = filled(shipped("ms_hedge").user)
    assert len(PHRASES) == 17
    assert "\n- almost certain: 0.92\n" in text
    assert text.count("\n- ") == 17
    assert shipped("ms_hedge_system") == PromptCondition(system=shipped("ms_hedge").user)
    perception = shipped("perception").user
    assert shipped("ms_hedge_system_perception") == PromptCondition(perception, shipped("ms_hedge").user)


def test_demonstrations_are_added_to_the_same_words() -> None:
    """So that what they do can be told from what the system's text does."""
    told, shown = shipped("degrees"), shipped("degrees_shown")
    assert told == replace(shown, demonstrations=[])
    assert told.system


def test_each_step_that_is_shown_is_hedged_as_it_says_and_ends_in_an_answer() -> None:
    """By the lexicon: the first demonstration is sure throughout, each later one less sure than the one before."""
    shown = shipped("degrees_shown").demonstrations
    words = [[decisiveness(step.text).score for step in segment(one.reply)] for one in shown]
    means = [sum(scores) / len(scores) for scores in words]
    assert words[0] == [1.0] * len(words[0])
    assert 0.4 < means[1] < 0.9
    assert means[2] < 0.4
    for one in shown:
        assert extract_answer(one.reply).how == "box"
        assert 2 <= len(segment(one.reply)) <= 3  # as the task asks for


def test_the_baseline_says_nothing_but_the_task(task: TaskSpec) -> None:
    assert reasoning_messages(QUESTION, task, BASELINE) == [{"role": "user", "content": TASK}]


def test_conditions_come_before_the_task_and_as_the_system(task: TaskSpec) -> None:
    user = {"role": "user", "content": f"Hedge.\n\n{TASK}"}
    assert reasoning_messages(QUESTION, task, BOTH) == [{"role": "system", "content": "You doubt."}, user]
    prepended = reasoning_messages(QUESTION, task, BOTH, system_role="prepend")
    assert prepended == [{"role": "user", "content": f"You doubt.\n\nHedge.\n\n{TASK}"}]


@pytest.mark.parametrize("system_role", ["system", "prepend"])
def test_demonstrations_are_earlier_turns_put_as_the_question_is(task: TaskSpec, system_role: Any) -> None:
    shown = [Demonstration("Is 1 odd?", " Yes.\n"), Demonstration("Is 2?", "No.")]
    condition = replace(BOTH, demonstrations=shown)
    found = reasoning_messages(QUESTION, task, condition, mode="parity", system_role=system_role)
    system = [{"role": "system", "content": "You doubt."}] if system_role == "system" else []
    before = "" if system else "You doubt.\n\n"
    box = r"Box it: \boxed{}"
    assert found == [
        *system,
        {"role": "user", "content": f"{before}Hedge.\n\nIs 1 odd? {box}"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": f"Hedge.\n\nIs 2? {box}"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": f"Hedge.\n\nWhat is 2 + 2? {box} <think>\n"},
    ]


def test_a_condition_is_never_left_out_silently(task: TaskSpec) -> None:
    with pytest.raises(UserError, match="omit, which would leave the condition out"):
        reasoning_messages(QUESTION, task, BOTH, system_role="omit")
    only_user = PromptCondition(user="Hedge.")
    assert reasoning_messages(QUESTION, task, only_user, system_role="omit")[0]["content"] == f"Hedge.\n\n{TASK}"
    with pytest.raises(UserError, match="system, omit or prepend"):
        reasoning_messages(QUESTION, task, BOTH, system_role="user")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "tag", "opened"),
    [
        ("parity", "auto", True),
        ("strict", "auto", False),
        ("strict", "user", True),
        ("parity", "none", False),
        ("parity", "prompt", False),
    ],
)
def test_the_user_opens_the_thinking_in_parity(
    task: TaskSpec, mode: Literal["strict", "parity"], tag: Literal["auto", "none", "user", "prompt"], opened: bool
) -> None:
    (message,) = reasoning_messages(QUESTION, task, BASELINE, mode=mode, think_tag=tag)
    assert message["content"] == (f"{TASK} <think>\n" if opened else TASK)


def test_the_prompt_opens_the_thinking_once(tokenizer: Any) -> None:
    messages = [{"role": "user", "content": "Why?"}]
    plain = reasoning_prompt(tokenizer, messages)
    opened = reasoning_prompt(tokenizer, messages, think_tag="prompt")
    assert tokenizer.decode(opened[len(plain) :]) == "<think>\n"
    assert opened[: len(plain)] == plain
    assert opens_thinking(tokenizer, opened)
    assert not opens_thinking(tokenizer, plain)
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>\n{% endif %}"
    assert reasoning_prompt(tokenizer, messages, think_tag="prompt") == opened
    assert reasoning_prompt(tokenizer, messages) == opened
    with pytest.raises(UserError, match="`think_tag` to be auto, none, user, prompt, but got 'twice'"):
        reasoning_prompt(tokenizer, messages, think_tag="twice")  # type: ignore[arg-type]


def test_a_closed_thought_is_not_open(tokenizer: Any) -> None:
    tokenizer.chat_template += "{% if add_generation_prompt %}<think>\n\n</think>\n\n{% endif %}"
    ids = reasoning_prompt(tokenizer, [{"role": "user", "content": "Why?"}])
    assert not opens_thinking(tokenizer, ids)


def test_without_a_chat_template_the_texts_alone_are_the_prompt(tokenizer: Any, task: TaskSpec) -> None:
    tokenizer.chat_template = None
    messages = reasoning_messages(QUESTION, task, BOTH, mode="parity")
    ids = reasoning_prompt(tokenizer, messages, mode="parity")
    assert tokenizer.decode(ids) == f"You doubt.\n\nHedge.\n\n{TASK} <think>\n"
    assert opens_thinking(tokenizer, ids)
