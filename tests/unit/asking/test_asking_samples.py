from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ccps.asking.interview import Manner
from ccps.asking.samples import ChosenSamples, WrittenSamples, uniforms
from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, Passage, final_states, letter_tokens, prompt_ids
from ccps.llm.sample import sample
from ccps.settings.samples import SamplesConfig

CHOICES = [
    Question(f"c{i}", "s", f"Which one is number {i}?", tuple("pqrs"[: 2 + i % 3]), ("a",), "t", "s") for i in range(6)
]
OPEN = [Question(f"q{i}", "s", "What? " * (i + 1), (), ("x",), "t", "s") for i in range(5)]
SETTINGS = SamplesConfig(k=3, temperature=1.2, top_p=0.9, seed=7)


def prompts(lm: LanguageModel, questions: list[Question]) -> list[list[int]]:
    return [prompt_ids(lm.tokenizer, chat_messages(question)) for question in questions]


def states(lm: LanguageModel, questions: list[Question]) -> Tensor:
    return torch.cat([final_states(lm, [Passage(prompt)])[0] for prompt in prompts(lm, questions)])


def test_each_sample_of_a_question_has_numbers_of_its_own_whatever_else_is_drawn() -> None:
    many = uniforms(7, ["a", "b", "c"], 4, 20)
    assert many.shape == (3, 4, 20)
    assert len(np.unique(many)) == many.size
    assert 0 <= many.min() < 0.1
    assert 0.9 < many.max() < 1
    assert np.array_equal(uniforms(7, ["c", "b"], 2, 5), many[[2, 1], :2, :5])
    assert not np.isin(uniforms(8, ["a"], 4, 20), many).any()


def test_a_chosen_sample_is_the_first_token_that_would_be_written(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    drawer = ChosenSamples(lm, CHOICES, states(lm, CHOICES), Manner(), SETTINGS)
    got = drawer.draw([4, 0, 1])
    numbers = uniforms(7, ["c4", "c0", "c1"], 3, 1)
    written = sample(lm, [prompts(lm, CHOICES)[index] for index in (4, 0, 1)], numbers, 1.2, 0.9)
    assert [[one.tokens for one in row] for row in got] == [[one.tokens for one in row] for row in written]
    for row, other in zip(got, written, strict=True):
        assert [one.log_prob for one in row] == pytest.approx([one.log_prob for one in other], abs=1e-3)
    assert all(one.text == lm.tokenizer.decode(one.tokens).strip() for row in got for one in row)
    assert not any(one.is_cut for row in got for one in row)
    assert drawer.cost([4, 0, 1], got) == 0


def test_where_only_letters_were_allowed_only_letters_are_drawn(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    known = states(lm, CHOICES)
    config = SamplesConfig(k=2000, top_p=1.0)
    rows = ChosenSamples(lm, CHOICES, known, Manner(choice="letters"), config).draw(range(6))
    letters = letter_tokens(lm, 4)
    logs = lm.head.logits(known).log_softmax(dim=-1)
    for question, row, log in zip(CHOICES, rows, logs, strict=True):
        allowed = letters[: len(question.options)]
        counts = torch.tensor([sum(one.tokens == [token] for one in row) for token in allowed])
        assert counts.sum() == 2000
        # Four standard errors of a share.
        assert (counts / 2000 - log[allowed].softmax(dim=-1)).abs().max() < 4 * 0.5 / 2000**0.5
        assert row[0].log_prob == pytest.approx(float(log[row[0].tokens[0]]), abs=1e-4)


def test_the_end_of_a_turn_is_an_empty_answer(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    known = states(lm, CHOICES[:1])
    [[before, *_]] = ChosenSamples(lm, CHOICES[:1], known, Manner(), SETTINGS).draw([0])
    ending = replace(lm, end_tokens=(before.tokens[0],))
    [[after, *_]] = ChosenSamples(ending, CHOICES[:1], known, Manner(), SETTINGS).draw([0])
    assert (after.text, after.tokens, after.log_prob) == ("", [], before.log_prob)


def test_every_choice_question_is_in_one_batch(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    many = [replace(CHOICES[0], id=f"c{index}") for index in range(300)]
    batches = ChosenSamples(lm, many, torch.zeros(300, 32), Manner(), SETTINGS).batches
    assert [index for batch in batches for index in batch] == list(range(300))
    assert max(map(len, batches)) == 128


def written(lm: LanguageModel, questions: list[Question], manner: Manner, config: SamplesConfig) -> WrittenSamples:
    return WrittenSamples(lm, [question.id for question in questions], prompts(lm, questions), manner, config)


def test_what_is_written_does_not_depend_on_the_batches(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = replace(tiny_model("llama"), end_tokens=tuple(range(0, 259, 16)))
    small = written(lm, OPEN, Manner(max_new_tokens=8, max_batch_tokens=1), SETTINGS)
    large = written(lm, OPEN[::-1], Manner(max_new_tokens=8, max_batch_tokens=100_000), SETTINGS)
    assert len(small.batches) == 5
    assert len(large.batches) == 1
    one_by_one = {index: small.draw([index])[0] for index in range(5)}
    together = dict(zip(large.batches[0], large.draw(large.batches[0]), strict=True))
    for index in range(5):
        for one, other in zip(one_by_one[index], together[4 - index], strict=True):
            assert (one.text, one.tokens, one.is_cut) == (other.text, other.tokens, other.is_cut)
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)
    answers = list(together.values())
    assert len({tuple(one.tokens) for row in answers for one in row}) > 10
    own = sum(map(large.layout.own, range(len(large.layout.prompts))))
    assert large.cost(large.batches[0], answers) == own + sum(len(one.tokens) for row in answers for one in row)


def test_fewer_samples_are_the_first_of_more(tiny_model: Callable[..., LanguageModel]) -> None:
    lm, manner = tiny_model("llama"), Manner(max_new_tokens=6)
    [few], [more] = (written(lm, OPEN, manner, replace(SETTINGS, k=k)).draw([2]) for k in (2, 5))
    assert [one.tokens for one in few] == [one.tokens for one in more[:2]]


def test_all_samples_of_a_batch_fit_its_limit(tiny_model: Callable[..., LanguageModel]) -> None:
    lm, manner = tiny_model("llama"), Manner(max_new_tokens=6, max_batch_tokens=300)
    drawer = written(lm, OPEN, manner, SETTINGS)
    assert sorted(index for batch in drawer.batches for index in batch) == list(range(5))
    assert 1 < len(drawer.batches) < 5
    for batch in drawer.batches:
        width = max(map(drawer.layout.own, batch)) + 6
        assert 3 * len(batch) * width <= 300


def test_a_prompt_that_is_too_long_is_refused(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=512)
    with pytest.raises(UserError, match=r"at most 512 tokens.*question q4"):
        written(lm, [*OPEN[:4], replace(OPEN[4], text="x" * 500)], Manner(), SETTINGS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 1}, "`samples.k` to be from 2 to 10000, but got 1"),
        ({"temperature": 0.0}, "`samples.temperature` to be from 0.001 to 1000"),
        ({"temperature": float("nan")}, "`samples.temperature` to be from 0.001 to 1000"),
        ({"top_p": 0.0}, "`samples.top_p` to be above 0 and at most 1"),
        ({"top_p": 1.1}, "`samples.top_p` to be above 0 and at most 1"),
        ({"seed": -1}, "`samples.seed` to be from 0 to"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    check(SamplesConfig(), "samples")
    with pytest.raises(UserError, match=message):
        check(replace(SamplesConfig(), **changes), "samples")


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(UserError) as error:
        check(SamplesConfig(k=0, top_p=2.0), "samples")
    assert "samples.k" in str(error.value)
    assert "samples.top_p" in str(error.value)
