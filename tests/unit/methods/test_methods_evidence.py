from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccps.methods.evidence import AnswerStates, Evidence, References, Samples, token_rows
from ccps.perturbation import Head

HEAD = Head(torch.zeros(7, 2))


def states(owners: np.ndarray) -> AnswerStates:
    """A state and a token for each entry; both name the answer that they belong to, and their place."""
    table = torch.from_numpy(np.stack([owners, np.arange(len(owners))], axis=1).astype(np.float32))
    return AnswerStates(table, torch.from_numpy(owners), HEAD)


def full_evidence(lengths: np.ndarray) -> Evidence:
    """Evidence in which every value names the answer that it belongs to."""
    number = np.arange(len(lengths))
    tokens = np.repeat(number, lengths)
    right, wrong = 1 + number % 2, 1 + number % 3
    return Evidence(
        features=np.repeat(tokens[:, None], 75, axis=1).astype(np.float32),
        lengths=lengths,
        vocabulary=7,
        texts=[f"answer {n}" for n in number],
    ).having(
        prompt_states=np.stack([number, number], axis=1).astype(np.float32),
        layer_states=np.tile(number[:, None, None], (1, 3, 2)).astype(np.float32),
        self_evaluation=np.stack([number, -number], axis=1).astype(np.float32),
        samples=Samples([(f"sample of {n}",) for n in number], number[:, None].astype(np.float64), number[:, None] + 1),
        verbalised=number / 100,
        nicknames=[f"nick {n}" for n in number],
        answer_states=states(tokens),
        references=References(states(np.repeat(number, right)), right, states(np.repeat(number, wrong)), wrong),
        instruction_tuned=np.stack([number, number + 1], axis=1).astype(np.float32),
        calibration_tuned=np.stack([number, number + 2], axis=1).astype(np.float32),
    )


def plain(value: object) -> object:
    """The same as plain values, which compare."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "_fields"):
        return [plain(item) for item in value]  # type: ignore[attr-defined]
    return list(map(plain, value)) if isinstance(value, list | tuple) else value


all_lengths = st.lists(st.integers(1, 4), min_size=1, max_size=8).map(np.array)


@given(all_lengths, st.data())
def test_every_value_goes_with_its_answer(lengths: np.ndarray, data: st.DataObject) -> None:
    every = st.integers(0, len(lengths) - 1)
    index = np.array(data.draw(st.lists(every, unique=True)), dtype=np.int64)
    whole, part = full_evidence(lengths), full_evidence(lengths).select(index)
    assert part.lengths.tolist() == lengths[index].tolist()
    assert part.vocabulary == 7
    owners = np.repeat(index, lengths[index]).tolist()
    assert part.features[:, 0].tolist() == part.features[:, 74].tolist() == owners
    assert part.read("answer_states").token_ids.tolist() == part.read("answer_states").states[:, 0].tolist() == owners
    assert part.read("answer_states").head is HEAD
    assert list(part.texts) == [f"answer {n}" for n in index]
    assert part.read("samples").texts == [(f"sample of {n}",) for n in index]
    assert part.read("samples").log_probs[:, 0].tolist() == index.tolist()
    for side, own in (("right", 1 + index % 2), ("wrong", 1 + index % 3)):
        assert getattr(part.read("references"), f"{side}_lengths").tolist() == own.tolist()
        assert getattr(part.read("references"), side).token_ids.tolist() == np.repeat(index, own).tolist()
    for name in ("prompt_states", "layer_states", "self_evaluation", "verbalised"):
        assert part.read(name).tolist() == [whole.read(name)[n].tolist() for n in index]
    assert part.read("nicknames") == [f"nick {n}" for n in index]
    assert part.read("instruction_tuned")[:, 1].tolist() == (index + 1).tolist()
    assert part.read("calibration_tuned")[:, 1].tolist() == (index + 2).tolist()


@given(all_lengths)
def test_all_answers_are_all_evidence(lengths: np.ndarray) -> None:
    whole = full_evidence(lengths)
    assert plain(whole.select(np.arange(len(lengths)))) == plain(whole)


@given(all_lengths, st.data())
def test_a_part_of_a_part_is_a_part(lengths: np.ndarray, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(lengths)))))
    some = np.arange(0, len(lengths), 2)
    whole = full_evidence(lengths)
    assert plain(whole.select(order).select(some)) == plain(whole.select(order[some]))


def test_tokens_of_an_answer_keep_their_order() -> None:
    assert token_rows(np.array([2, 1, 3]), np.array([2, 0])).tolist() == [3, 4, 5, 0, 1]
    assert token_rows(np.array([2, 1, 3]), np.array([], dtype=np.int64)).tolist() == []


def test_what_is_not_there_stays_away() -> None:
    bare = Evidence(np.zeros((2, 75), dtype=np.float32), np.array([1, 1]), 7)
    part = bare.select(np.array([1]))
    assert part.texts == ()
    assert part.needs == {}
    with pytest.raises(ValueError, match=r"Expected `evidence\.samples` to be given"):
        part.read("samples")
