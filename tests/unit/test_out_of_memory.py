"""Batches that do not fit the memory, wherever a model is called in batches: what comes out is that of their halves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from ccps.asking.interview import Answer, Interview, Manner
from ccps.asking.samples import WrittenSamples
from ccps.asking.verbalised import Verbalisation
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel
from ccps.llm.memory import in_parts
from ccps.settings.samples import SamplesConfig

OPEN = [Question(f"q{i}", "s", "What is that? " * (1 + i % 3), (), ("x",), "test", "s") for i in range(7)]
CHOICE = [replace(question, options=("one", "two", "three"), accepted=("a",)) for question in OPEN]
GIVEN = [replace(question, given_answer="so " * (1 + i)) for i, question in enumerate(OPEN)]
BOTH: Any = ("layer_states", "self_evaluation")


@pytest.fixture(autouse=True)
def nothing_to_collect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collecting garbage takes up to a second after each failure, and there is none here."""
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda garbage_collection: None)


@pytest.fixture
def lm(tiny_model: Callable[..., LanguageModel]) -> LanguageModel:
    return tiny_model("llama")


@contextmanager
def room_for(lm: LanguageModel, rows: int) -> Iterator[list[int]]:
    """Memory for so many rows at once; collects the rows of each pass that fits."""
    passes = []

    def check(_: torch.nn.Module, __: tuple[object, ...], named: dict[str, torch.Tensor]) -> None:
        if len(named["input_ids"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        passes.append(len(named["input_ids"]))

    handle = lm.model.get_decoder().register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield passes
    finally:
        handle.remove()


def halves(batch: Sequence[int], rows: int) -> list[list[int]]:
    """The batches that are left when each that has too many rows is halved."""
    if len(batch) <= rows:
        return [list(batch)]
    half = (len(batch) + 1) // 2
    return halves(batch[:half], rows) + halves(batch[half:], rows)


def same(ours: Answer, theirs: Answer) -> bool:
    plain = ours[:2] == theirs[:2] and ours[3:5] == theirs[3:5]
    tensors = [(ours.states, theirs.states), *zip(ours.after, theirs.after, strict=True)]
    return plain and all(torch.equal(one, other) for one, other in tensors if one is not None and other is not None)


@pytest.mark.parametrize("questions", [OPEN, CHOICE, GIVEN], ids=["open", "choice", "given"])
@pytest.mark.parametrize("collect", [(), BOTH], ids=["plain", "read on"])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_answers_are_those_of_a_plan_with_smaller_batches(
    lm: LanguageModel, questions: list[Question], collect: tuple[str, ...], rows: int
) -> None:
    interview = Interview(lm, questions, Manner(max_new_tokens=4, max_batch_tokens=10_000), collect)  # type: ignore[arg-type]
    (batch,) = interview.batches
    planned = [answer for part in halves(batch, rows) for answer in interview.answer(part)]
    with room_for(lm, rows) as passes:
        answers = interview.answer(batch)
    assert passes
    assert len(answers) == len(planned) == len(questions)
    assert all(map(same, answers, planned))


def test_what_was_read_on_is_counted_once(lm: LanguageModel) -> None:
    interview = Interview(lm, GIVEN, Manner(max_batch_tokens=10_000), BOTH)
    assert interview.follow_up is not None
    interview.answer_all()
    whole, interview.follow_up.tokens_read = interview.follow_up.tokens_read, 0
    with room_for(lm, 2):
        interview.answer_all()
    assert interview.follow_up.tokens_read == whole


def test_a_question_that_does_not_fit_is_refused(lm: LanguageModel) -> None:
    interview = Interview(lm, CHOICE, Manner())
    with room_for(lm, 0), pytest.raises(UserError, match=r"memory for model `tiny-llama`.*docs/memory\.md"):
        interview.answer_all()


def test_replies_are_those_of_a_plan_with_smaller_batches(lm: LanguageModel) -> None:
    asked = Verbalisation(lm, OPEN, ["an answer"] * 7, Manner(max_batch_tokens=10_000))
    (batch,) = asked.batches
    planned = [reply for part in halves(batch, 2) for reply in asked.ask(part)]
    with room_for(lm, 2):
        replies = asked.ask(batch)
    assert [reply.text for reply in replies] == [reply.text for reply in planned]
    assert [reply.cost for reply in replies] == [reply.cost for reply in planned]


def test_samples_are_those_of_a_plan_with_smaller_batches(lm: LanguageModel) -> None:
    ids, prompts = [question.id for question in OPEN], [list(range(3, 10 + i)) for i in range(7)]
    manner, config = Manner(max_new_tokens=4, max_batch_tokens=10_000), SamplesConfig(k=3)
    drawer = WrittenSamples(lm, ids, prompts, manner, config)
    (batch,) = drawer.batches
    planned = [row for part in halves(batch, 2) for row in drawer.draw(part)]
    with room_for(lm, 2 * config.k):
        assert in_parts(drawer.draw, batch, "tiny") == planned
