"""Updates on tiny random models, against the plain call of the whole model."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from ccps.asking.interview import Interview, Manner
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel, letter_tokens
from ccps.tuning import Divergence, Example, Tuner, TuningConfig
from ccps.tuning.losses import divergences
from ccps.tuning.tuner import learning_rate

CONFIG = TuningConfig(steps=20, warmup_steps=0, batch_size=4, micro_batch=2, learning_rate=1e-2, dropout=0.0)
Examples = Callable[[LanguageModel], list[Example]]


@pytest.fixture
def lm(tiny_model: Callable[..., LanguageModel]) -> LanguageModel:
    return tiny_model("llama")


def shaken(tuner: Tuner) -> Tuner:
    """A tuner whose adapter changes what the model says."""
    with torch.no_grad():
        for value in tuner.parameters.values():
            value.add_(0.1)
    return tuner


def weights(tuner: Tuner) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in tuner.parameters.values()])


def test_conversations_are_those_that_p_true_is_read_after(
    lm: LanguageModel, questions: list[Question], examples: Examples
) -> None:
    answers = Interview(lm, questions, Manner(max_new_tokens=3), ["self_evaluation"]).answer_all()
    asides = [answer.after.self_evaluation for answer in answers if answer.tokens]
    letters = letter_tokens(lm, 2)
    for example, aside in zip(examples(lm), asides, strict=True):
        own = lm.model(torch.tensor([example.tokens])).logits[0, -1, letters].detach()
        torch.testing.assert_close(aside, own, rtol=1e-4, atol=1e-4)


def test_without_an_update_the_model_judges_as_ever(lm: LanguageModel, examples: Examples) -> None:
    known, letters = examples(lm), letter_tokens(lm, 2)
    ids = [torch.tensor([example.tokens]) for example in known]
    with torch.no_grad():
        before = [lm.model(one).logits[0, -1, letters] for one in ids]
        tuner = Tuner(lm, CONFIG)
        after = [lm.model(one).logits[0, -1, letters] for one in ids]
    first = tuner.update(known)
    tuner.close()
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    right = [example.is_right for example in known]
    losses = [
        math.log1p(math.exp(no - yes if good else yes - no)) for (no, yes), good in zip(before, right, strict=True)
    ]
    assert first.query == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert first.divergence == pytest.approx(0.0, abs=1e-6)


def test_kept_states_are_those_of_the_model_with_its_adapter_disabled(lm: LanguageModel, examples: Examples) -> None:
    known = examples(lm)
    tuner = shaken(Tuner(lm, CONFIG))
    for example in known:
        with torch.no_grad(), tuner.adapter.peft.disable_adapter():
            hidden = lm.model.get_decoder()(input_ids=torch.tensor([example.tokens])).last_hidden_state[0]
        untuned = hidden[example.start - 1 : example.start - 1 + len(example.states)]
        torch.testing.assert_close(example.states, untuned, rtol=1e-4, atol=1e-4)
    tuner.close()


@pytest.mark.parametrize("kind", list(Divergence))
def test_loss_is_that_of_the_whole_model(lm: LanguageModel, examples: Examples, kind: Divergence) -> None:
    """One conversation at a time, all logits, and the untuned model run anew."""
    batch, letters = examples(lm)[:4], letter_tokens(lm, 2)
    tuner = shaken(Tuner(lm, replace(CONFIG, divergence=kind, divergence_weight=0.7)))
    query, apart, agreed = 0.0, 0.0, 0
    with torch.no_grad():
        for example in batch:
            ids = torch.tensor([example.tokens])
            logits = lm.model(ids).logits[0]
            with tuner.adapter.peft.disable_adapter():
                reference = lm.model(ids).logits[0]
            no, yes = logits[-1, letters].tolist()
            query += math.log1p(math.exp(no - yes if example.is_right else yes - no))
            agreed += (yes > no) == example.is_right
            answer = slice(example.start - 1, example.start - 1 + len(example.states))
            apart += divergences(logits[answer], reference[answer], kind).sum().item()
    update = tuner.update(batch)
    tuner.close()
    assert update.query == pytest.approx(query / 4, rel=1e-4)
    assert update.divergence == pytest.approx(apart / 4, rel=1e-3)
    assert update.divergence is not None
    assert update.divergence > 1e-4
    assert update.loss == pytest.approx(query / 4 + 0.7 * apart / 4, rel=1e-3)
    assert update.accuracy == agreed / 4
    assert update.tokens == sum(len(example.tokens) for example in batch)


def test_the_divergence_holds_the_model_back(lm: LanguageModel, examples: Examples) -> None:
    batch, ends = examples(lm)[:4], {}
    for weight in (0.0, 10.0):
        tuner = Tuner(lm, replace(CONFIG, divergence_weight=weight))
        updates = [tuner.update(batch) for _ in range(12)]
        assert updates[-1].query < updates[0].query
        assert (updates[0].divergence is None) == (weight == 0)
        free = replace(CONFIG, divergence_weight=1.0)
        tuner.config = free
        ends[weight] = tuner.update(batch).divergence or math.nan
        tuner.close()
    assert ends[10.0] < ends[0.0] / 2


def test_how_many_are_read_at_once_does_not_matter(lm: LanguageModel, examples: Examples) -> None:
    after = []
    for micro_batch in (1, 4):
        tuner = Tuner(lm, replace(CONFIG, micro_batch=micro_batch))
        for _ in range(2):
            tuner.update(examples(lm)[:4])
        after.append(weights(tuner))
        tuner.close()
    torch.testing.assert_close(*after, rtol=1e-3, atol=1e-4)


def test_training_goes_on_bit_for_bit_where_it_stopped(lm: LanguageModel, examples: Examples, tmp_path: Path) -> None:
    config, batch = replace(CONFIG, dropout=0.5), examples(lm)[:4]
    whole = Tuner(lm, config)
    for _ in range(4):
        whole.update(batch)
    at_once = weights(whole)
    whole.close()
    first = Tuner(lm, config)
    for _ in range(2):
        first.update(batch)
    first.save(tmp_path)
    first.close()
    torch.manual_seed(99)  # what else has drawn from torch does not matter
    second = Tuner(lm, replace(config, seed=config.seed))
    second.resume(tmp_path, 2)
    assert [second.update(batch).step for _ in range(2)] == [2, 3]
    assert torch.equal(weights(second), at_once)
    second.close()


def test_dropout_changes_from_update_to_update(lm: LanguageModel, examples: Examples) -> None:
    batch = examples(lm)[:4]
    tuner = Tuner(lm, replace(CONFIG, dropout=0.5, learning_rate=1e-12, divergence_weight=0.0))
    shaken(tuner)
    first, second = (tuner.update(batch).query for _ in range(2))
    tuner.close()
    assert first != pytest.approx(second, rel=1e-6)


@pytest.mark.parametrize("warmup", [0, 5])
def test_learning_rate_is_the_schedule_of_transformers(warmup: int) -> None:
    config = TuningConfig(steps=20, warmup_steps=warmup, learning_rate=0.5)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = get_cosine_schedule_with_warmup(optimizer, warmup, 20)
    for update in range(20):
        assert learning_rate(config, update) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_a_loss_that_is_not_finite_is_refused(lm: LanguageModel, examples: Examples) -> None:
    batch = examples(lm)[:2]
    tuner = Tuner(lm, CONFIG)
    with torch.no_grad():
        next(iter(tuner.parameters.values())).fill_(float("inf"))
    with pytest.raises(UserError, match=r"Lower `tuning.learning_rate`"):
        tuner.update(batch)
    tuner.close()
