from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ccps.core.errors import UserError
from ccps.probes.encoders import build_encoder
from ccps.probes.sequences import check_lengths, count_truncated, group_by_question, pad_answers, read_answers
from ccps.settings.probe import EncoderConfig, Padding

FEATURES = 5
# Softplus is positive at zero, so what is not set back to zero shows; the hyperbolic tangent is often below zero, so
# what is set back to zero shows if it takes part in the maximum.
ACTIVATED = {"Softplus": lambda values: np.log1p(np.exp(values)), "Tanh": np.tanh}


def make_encoder(padding: Any, max_tokens: int = 6, activation: str = "Softplus") -> Any:
    torch.manual_seed(0)
    config = EncoderConfig([4, 3], [3, 5], max_tokens, Padding(padding), 2, activation)
    return build_encoder(config, FEATURES, 0.1).eval()


def make_rows(count: Any, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32))


def embed(encoder: Any, rows: Any, lengths: Any, max_tokens: Any) -> Any:
    with torch.no_grad():
        return encoder(pad_answers(rows, np.array(lengths), max_tokens)).numpy()


def embed_by_hand(encoder: Any, activated: Any, places: Any, tokens: Any, masked: Any) -> Any:
    """One answer, place by place in float64: `places [max_tokens, features]`, of which the first `tokens` are real."""
    hidden = places.astype(np.float64)
    convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv1d)]
    for convolution in convolutions:
        weight, bias = (value.detach().double().numpy() for value in convolution.parameters())
        reach = weight.shape[2] // 2
        after = np.empty((len(hidden), len(bias)))
        for place in range(len(hidden)):
            after[place] = bias
            for offset in range(-reach, reach + 1):
                if 0 <= place + offset < len(hidden):
                    after[place] += weight[:, :, offset + reach] @ hidden[place + offset]
        hidden = activated(after)
        if masked:
            hidden[tokens:] = 0.0
    highest = hidden[: tokens if masked else None].max(axis=0)
    return encoder.output.weight.detach().double().numpy() @ highest + encoder.output.bias.detach().double().numpy()


@pytest.mark.parametrize("padding", ["masked", "unmasked"])
@pytest.mark.parametrize("tokens", [1, 3, 6])
@pytest.mark.parametrize("activation", ACTIVATED)
def test_the_encoder_agrees_with_a_convolution_by_hand(padding: str, tokens: int, activation: str) -> None:
    encoder, rows = make_encoder(padding, activation=activation), make_rows(tokens, seed=tokens)
    places = np.zeros((6, FEATURES), dtype=np.float32)
    places[:tokens] = rows
    by_hand = embed_by_hand(encoder, ACTIVATED[activation], places, tokens, padding == "masked")
    np.testing.assert_allclose(embed(encoder, rows, [tokens], 6)[0], by_hand, rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(
    st.sampled_from(list(ACTIVATED)),
    st.lists(st.integers(1, 7), min_size=1, max_size=6),
    st.integers(0, 20),
    st.integers(0, 2**32 - 1),
)
def test_masked_embeddings_depend_neither_on_max_tokens_nor_on_the_batch(
    activation: str, lengths: list[int], further: int, seed: int
) -> None:
    encoder, rows = make_encoder("masked", activation=activation), make_rows(sum(lengths), seed)
    together = embed(encoder, rows, lengths, 7 + further)
    for answer, (own, length) in enumerate(zip(rows.split(lengths), lengths, strict=True)):
        alone = embed(encoder, own, [length], length)
        np.testing.assert_allclose(together[answer], alone[0], rtol=1e-5, atol=1e-6)


def test_unmasked_embeddings_depend_on_max_tokens() -> None:
    masked, unmasked = make_encoder("masked"), make_encoder("unmasked")
    unmasked.load_state_dict(masked.state_dict())
    rows = make_rows(3)
    exact, longer, longest = (embed(unmasked, rows, [3], places) for places in (3, 4, 30))
    # With no place to spare there is nothing to mask.
    np.testing.assert_array_equal(exact, embed(masked, rows, [3], 3))
    assert abs(longer - exact).max() > 1e-2
    assert abs(longest - longer).max() > 1e-2


@pytest.mark.parametrize(("padding", "places", "highest"), [("unmasked", 1, 0), ("unmasked", 2, 1), ("masked", 2, 0)])
def test_only_unmasked_padding_wins_the_maximum(padding: str, places: int, highest: int) -> None:
    encoder = build_encoder(EncoderConfig([1], [1], places, Padding(padding), 1, "ReLU"), 1, 0.0)
    with torch.no_grad():
        for value in encoder.parameters():
            value.fill_(1.0)
    # A token at −5 gives relu(−5 + 1) = 0 and an empty place relu(0 + 1) = 1; the last layer adds 1.
    assert embed(encoder, torch.tensor([[-5.0]]), [1], places).tolist() == [[highest + 1]]


def test_dropout_follows_every_convolution() -> None:
    for layer in make_encoder("masked").layers:
        assert [type(part) for part in layer] == [nn.Conv1d, nn.Softplus, nn.Dropout]


def test_of_equal_places_one_has_the_gradient() -> None:
    encoder = build_encoder(EncoderConfig([1], [1], 4, Padding.unmasked, 1, "Sigmoid"), 1, 0.0)
    inputs = torch.zeros(1, 4, 2, requires_grad=True)
    encoder(inputs).sum().backward()
    assert inputs.grad is not None
    assert (inputs.grad[0, :, 0] != 0).sum() == 1


def test_answers_are_laid_out_from_the_left_and_cut_on_the_right() -> None:
    rows = torch.arange(1.0, 7.0)[:, None]
    padded = pad_answers(rows, np.array([1, 4, 1]), 3)
    assert padded[..., 0].tolist() == [[1, 0, 0], [2, 3, 4], [6, 0, 0]]
    assert padded[..., 1].tolist() == [[1, 0, 0], [1, 1, 1], [1, 0, 0]]
    assert pad_answers(rows[:0], np.zeros(0, dtype=np.int64), 3).shape == (0, 3, 2)


def test_the_perceptron_reads_the_last_row() -> None:
    rows = torch.arange(1.0, 7.0)[:, None]
    assert read_answers(rows, np.array([1, 4, 1]), EncoderConfig()).flatten().tolist() == [1, 5, 6]


def test_longer_answers_are_counted_where_they_are_cut() -> None:
    lengths = np.array([1, 3, 4, 9])
    assert count_truncated(lengths, EncoderConfig(hidden=[4], kernels=[3], max_tokens=3)) == 2
    assert count_truncated(lengths, EncoderConfig(max_tokens=3)) == 0


def test_rows_of_one_question_are_one_answer() -> None:
    kept = np.array([True, True, False, False, True, False, True])
    answers = group_by_question(list("aabbccd"), np.array([1, 1, 0, 0, 1, 1, 0]), kept)
    assert answers.lengths.tolist() == [2, 1, 1]
    assert answers.labels.tolist() == [1, 1, 0]
    assert answers.questions == ["a", "c", "d"]
    assert answers.left_out == 1


def test_no_rows_make_no_answers() -> None:
    answers = group_by_question([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))
    assert (len(answers.lengths), answers.questions, answers.left_out) == (0, [], 0)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 1)), max_size=8), st.data())
def test_grouping_loses_no_row(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    ids = [number for number, (length, _) in enumerate(runs) for _ in range(length)]
    labels = np.array([label for length, label in runs for _ in range(length)], dtype=np.int64)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids))), dtype=np.bool_)
    answers: Any = group_by_question(ids, labels, kept)
    assert np.repeat(answers.questions, answers.lengths).tolist() == np.array(ids)[kept].tolist()
    assert np.repeat(answers.labels, answers.lengths).tolist() == labels[kept].tolist()
    assert len(answers.lengths) + answers.left_out == len(runs)


def test_answers_that_are_not_in_one_piece_are_refused() -> None:
    everything = np.ones(4, dtype=np.bool_)
    with pytest.raises(UserError, match=r"Expected `question_ids` .* but got 'a' again after another question"):
        group_by_question(list("aaba"), np.zeros(4, dtype=np.int64), everything)
    # Also where what came between is dropped.
    with pytest.raises(UserError, match="'a' again"):
        group_by_question(list("aaba"), np.zeros(4, dtype=np.int64), np.array([True, True, False, True]))
    with pytest.raises(UserError, match=r"Expected `labels` to be the same .* but got both 0 and 1 for 'b'"):
        group_by_question(list("aabb"), np.array([0, 0, 0, 1]), everything)
    for missing in (None, float("nan")):
        with pytest.raises(UserError, match="Expected `question_ids` to be complete"):
            group_by_question([missing, "a", "a", missing], np.zeros(4, dtype=np.int64), everything)


@pytest.mark.parametrize(
    ("lengths", "got"),
    [
        ([2, 2], "2 values that sum to 4, the smallest 2"),
        ([5, 0], "2 values that sum to 5, the smallest 0"),
        ([6, -1], "2 values that sum to 5, the smallest -1"),
        ([], "none"),
        ([2.0, 3.0], r"an array of float64 of shape \(2,\)"),
        ([[2, 3]], r"an array of int64 of shape \(1, 2\)"),
    ],
)
def test_lengths_that_do_not_fit_the_rows_are_refused(lengths: list[Any], got: str) -> None:
    with pytest.raises(UserError, match=f"Expected `lengths` to be positive integers that sum to 5, .* got {got}"):
        check_lengths(lengths, 5)


def test_lengths_that_fit_the_rows() -> None:
    assert check_lengths([2, 3], 5).tolist() == check_lengths(np.array([2, 3], dtype=np.int32), 5).tolist() == [2, 3]  # type: ignore[arg-type]
    assert check_lengths(None, 3).tolist() == [1, 1, 1]
    assert check_lengths([], 0).tolist() == []
