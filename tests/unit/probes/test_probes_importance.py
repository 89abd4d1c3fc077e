from itertools import permutations as orders
from math import factorial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import nn

from ccps.core.errors import UserError
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import FittedProbe, ProbeConfig, TrainingRecord
from ccps.probes.encoders import ProbeNetwork
from ccps.probes.fitted import build_network
from ccps.probes.importance import FEATURE_GROUPS, cyclic_permutation, group_columns, grouped_permutation_importance
from ccps.probes.preprocess import Standardizer
from ccps.probes.shapley import shap_importance, shap_values
from ccps.settings.probe import EncoderConfig, HeadConfig

RECORD = TrainingRecord(seed=0, train_rows=1, validation_rows=1, dropped={}, left_out=0, truncated=0, curve=())


def fitted(network: Any, names: Any, encoder: Any = None) -> FittedProbe:
    """A probe that does not scale."""
    blank = np.zeros(len(names))
    return FittedProbe(
        config=ProbeConfig(encoder=encoder or EncoderConfig(), head=HeadConfig()),
        feature_names=tuple(names),
        radius=20.0,
        scaler=Standardizer(mean=blank, scale=blank + 1, constant=blank.astype(bool)),
        network=network.eval(),
        training=RECORD,
    )


class Bare(nn.Module):
    """P(correct) is a function of the row: its logit goes to class 1."""

    def __init__(self, logit: Any) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, inputs: Any) -> torch.Tensor:
        logit = self.logit(inputs)
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def probe_of(logit: Any, names: Any = FEATURE_NAMES, encoder: Any = None) -> FittedProbe:
    return fitted(ProbeNetwork(nn.Identity(), Bare(logit)), names, encoder)


def sequence_probe(
    padding: Any = "masked", max_tokens: int = 6, seed: int = 0, names: Any = FEATURE_NAMES
) -> FittedProbe:
    encoder = EncoderConfig(hidden=[8, 4], kernels=[3, 3], max_tokens=max_tokens, padding=padding, embed_dim=4)
    torch.manual_seed(seed)
    network = build_network(ProbeConfig(encoder=encoder), len(names))
    return fitted(network, names, encoder)


def table(answers: Any, seed: int = 0, longest: int = 1, columns: int = 75) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, size=answers)
    return rng.normal(size=(lengths.sum(), columns)), lengths.tolist(), rng.integers(2, size=answers).astype(bool)


def test_groups_are_those_of_the_paper() -> None:
    places = {name: number for number, name in enumerate(FEATURE_NAMES, start=1)}
    spans = {group: [places[name] for name in names] for group, names in FEATURE_GROUPS.items()}
    assert spans == {
        "original state": list(range(1, 13)),
        "overall perturbation": list(range(13, 16)),
        "perturbed state": list(range(16, 56)),
        "comparison": list(range(56, 76)),
    }


def test_columns_of_a_probe_with_some_of_the_features() -> None:
    found = group_columns(["pei_value_token", "original_entropy", "jacobian_norm_token"])
    assert {group: columns.tolist() for group, columns in found.items()} == {
        "original state": [1],
        "overall perturbation": [0, 2],
    }


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 5))
def test_everyone_is_replaced_by_another_of_its_kind(kinds: Any, seed: int) -> None:
    kinds = np.array(kinds)
    donors = cyclic_permutation(kinds, np.random.default_rng(seed))
    assert sorted(donors) == list(range(len(kinds)))
    np.testing.assert_array_equal(kinds[donors], kinds)
    for place, donor in enumerate(donors):
        assert (donor == place) == ((kinds == kinds[place]).sum() == 1)


def test_every_other_one_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([cyclic_permutation(np.zeros(4, dtype=int), rng)[0] for _ in range(3000)])
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 3000, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.03)


def test_a_group_that_the_probe_does_not_read_drops_nothing() -> None:
    features, lengths, _ = table(200)
    correct = features[:, 0] + features[:, 20] > 0
    found = grouped_permutation_importance(
        probe_of(lambda x: x[:, 0] + x[:, 20]), features, lengths, correct, repeats=5, resamples=50, seed=0
    ).set_index("group")
    assert (found.loc[["overall perturbation", "comparison"], ["drop", "ci_low", "ci_high"]] == 0).all(axis=None)
    assert found["auroc"].eq(1.0).all()
    # What is left is one of two equal parts: P(x + y > x' + y' | order of x and x') is 3/4 in the mean.
    assert (found.loc[["original state", "perturbed state"], "ci_low"] > 0.05).all()
    assert found["n"].eq(200).all()
    assert found["unmoved"].eq(0).all()
    assert found["reason"].isna().all()
    assert found["features"].tolist() == [12, 3, 40, 20]


def test_drop_is_the_mean_over_all_other_answers() -> None:
    """Brute force: the expected AUROC when each answer takes the group's columns of another one, all alike."""
    names = ("original_entropy", "pei_value_token")
    features, lengths, correct = table(7, seed=3, columns=2)
    correct[:2] = [False, True]
    x, y = features.T
    found = grouped_permutation_importance(
        probe_of(lambda x: x[:, 0] * x[:, 1] + x[:, 1], names),
        *(features, lengths, correct),
        repeats=600,
        resamples=1,
        seed=0,
    ).set_index("group")
    rings = [list(ring) for ring in orders(range(7)) if _is_one_ring(ring)]
    assert len(rings) == factorial(6)
    whole = roc_auc_score(correct, x * y + y)
    changed = [roc_auc_score(correct, x[ring] * y + y) for ring in rings]
    assert found.loc["original state", "auroc"] == pytest.approx(whole)
    assert found.loc["original state", "drop"] == pytest.approx(whole - np.mean(changed), abs=0.03)


def _is_one_ring(ring: Any) -> Any:
    place, steps = ring[0], 1
    while place != 0:
        place, steps = ring[place], steps + 1
    return steps == len(ring)


def test_interval_covers_the_drop_in_new_questions() -> None:
    """Of 40 draws of questions, most intervals hold the drop on very many questions."""

    def drop(answers: Any, seed: int, resamples: Any) -> Any:
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(answers, 2))
        correct = features[:, 0] + rng.normal(size=answers) > 0
        names = ("original_entropy", "pei_value_token")
        probe = probe_of(lambda x: x[:, 0], names)
        found = grouped_permutation_importance(
            probe, features, [1] * answers, correct, repeats=5, resamples=resamples, seed=seed, level=0.9
        )
        return found.iloc[0]

    truth = drop(20_000, 1000, 1)["drop"]
    draws = [drop(80, seed, 200) for seed in range(40)]
    covered = np.mean([one["ci_low"] <= truth <= one["ci_high"] for one in draws])
    assert 0.75 <= covered <= 1.0
    assert np.mean([one["ci_high"] - one["ci_low"] for one in draws]) < 0.4


def test_whole_answers_of_one_length_change_places() -> None:
    """Every row of an answer carries the answer's number in each group; a mixed pair would tear the numbers apart."""
    lengths = [1, 2, 2, 3, 3, 3, 9, 7]
    numbers = np.repeat(np.arange(8.0), lengths)
    features = np.repeat(numbers[:, None], 75, axis=1)
    seen = []

    def logit(inputs: Any) -> Any:
        seen.append(inputs.clone())
        return inputs[:, 0, 0]

    encoder = EncoderConfig(hidden=[1], kernels=[1], max_tokens=5)
    probe = probe_of(logit, encoder=encoder)
    found = grouped_permutation_importance(probe, features, lengths, [0, 1] * 4, repeats=3, resamples=2, seed=0)
    assert found["unmoved"].eq(1).all()  # of the answers of 9 and 7 tokens, 5 each are read
    for inputs in seen[1:]:
        inputs = inputs.numpy()
        np.testing.assert_array_equal(inputs[:, :, -1].sum(axis=1), np.minimum(lengths, 5))
        for answer, length in enumerate(np.minimum(lengths, 5)):
            own = [len(set(inputs[answer, :length, column])) for column in range(75)]
            assert own == [1] * 75
            owners = {int(inputs[answer, 0, column]) for column in range(75)}
            assert all(min(lengths[owner], 5) == length for owner in owners)
            assert len(owners) == (1 if length == 1 else 2)


def test_one_class_has_no_drop_and_says_so() -> None:
    features, lengths, _ = table(5)
    found = grouped_permutation_importance(probe_of(lambda x: x[:, 0]), features, lengths, [True] * 5, seed=0)
    assert found[["auroc", "drop", "ci_low", "ci_high"]].isna().all(axis=None)
    assert found["reason"].eq("all 5 answers are right").all()


def test_the_same_seed_gives_the_same_table() -> None:
    probe, (features, lengths, correct) = sequence_probe(), table(30, longest=4)
    arguments = {"repeats": 3, "resamples": 20}
    one, two, other = (
        grouped_permutation_importance(probe, features, lengths, correct, seed=seed, **arguments) for seed in (1, 1, 2)
    )
    assert one.equals(two)
    assert not one.equals(other)


def test_settings_out_of_range_are_refused() -> None:
    features, lengths, correct = table(10)
    for wrong in ({"repeats": 0}, {"resamples": 0}, {"level": 1.0}):
        with pytest.raises(ValueError, match="Expected"):
            grouped_permutation_importance(probe_of(lambda x: x[:, 0]), features, lengths, correct, seed=0, **wrong)
    with pytest.raises(UserError, match="labels"):
        grouped_permutation_importance(probe_of(lambda x: x[:, 0]), features, lengths, correct[:-1], seed=0)


def split(features: Any, lengths: Any) -> Any:
    return np.split(features, np.cumsum(lengths)[:-1])


def p_of(probe: Any, rows: Any) -> Any:
    return probe.predict(np.concatenate(rows), [len(answer) for answer in rows])


@pytest.mark.parametrize("padding", ["masked", "unmasked"])
def test_values_add_up_to_what_they_explain(padding: str) -> None:
    probe = sequence_probe(padding)
    answers = split(*table(3, seed=1, longest=6)[:2])
    background = split(*table(4, seed=2, longest=6)[:2])
    found = shap_values(probe, answers, [background] * len(answers), permutations=1, seed=0)
    np.testing.assert_allclose(found.predicted, p_of(probe, answers), atol=1e-6)
    for number, answer in enumerate(answers):
        places = [np.floor(np.arange(len(answer)) * len(rows) / len(answer)).astype(int) for rows in background]
        fitting = [rows[chosen] for rows, chosen in zip(background, places, strict=True)]
        assert found.expected[number] == pytest.approx(p_of(probe, fitting).mean(), abs=1e-6)
    np.testing.assert_allclose(found.values.sum(axis=1), found.predicted - found.expected, atol=1e-7)


def test_values_of_a_linear_function_are_known() -> None:
    """P(correct) = 1/2 + w·x: the value of a feature is w·(x − mean of the background)."""
    names = FEATURE_NAMES[:4]
    weights = torch.tensor([0.02, -0.03, 0.0, 0.01])

    def logit(inputs: Any) -> Any:
        p = 0.5 + inputs @ weights
        return p.log() - (1 - p).log()

    rng = np.random.default_rng(0)
    answers, background = rng.normal(size=(5, 1, 4)), rng.normal(size=(6, 1, 4))
    found = shap_values(
        probe_of(logit, names), list(answers), [list(background)] * len(answers), permutations=1, seed=0
    )
    wanted = weights.numpy() * (answers[:, 0] - background[:, 0].mean(axis=0))
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)


def test_values_are_shapley_values_by_brute_force() -> None:
    names = FEATURE_NAMES[:4]
    rng = np.random.default_rng(0)
    answer, background = rng.normal(size=(1, 4)), rng.normal(size=(3, 1, 4))
    probe = probe_of(lambda x: 2 * x[:, 0] * x[:, 1] * x[:, 2] + x[:, 3].abs(), names)

    def value(present: Any) -> Any:
        mixed = np.where(np.isin(np.arange(4), list(present)), answer, background[:, 0])
        return probe.predict(mixed).mean()

    wanted = np.zeros(4)
    for order in orders(range(4)):
        for place, feature in enumerate(order):
            wanted[feature] += (value(order[: place + 1]) - value(order[:place])) / factorial(4)
    found = shap_values(probe, [answer], [list(background)], permutations=800, seed=0)
    np.testing.assert_allclose(found.values[0], wanted, atol=0.004)


def test_importance_is_the_mean_size_of_the_values(capfd: pytest.CaptureFixture[str]) -> None:
    names = ("original_entropy", "pei_value_token", "kl_div_perturbed_from_original_min")

    def logit(inputs: Any) -> Any:
        p = 0.5 + 0.05 * inputs[:, 0] - 0.01 * inputs[:, 1]
        return p.log() - (1 - p).log()

    rng = np.random.default_rng(0)
    features, background = rng.normal(size=(8, 3)), rng.normal(size=(5, 3))
    before = np.random.get_state(legacy=True)[1].copy()  # type: ignore[index]  # noqa: NPY002
    found = shap_importance(probe_of(logit, names), features, [1] * 8, background, [1] * 5, seed=0, resamples=100)
    np.testing.assert_array_equal(before, np.random.get_state(legacy=True)[1])  # type: ignore[index]  # noqa: NPY002
    wanted = np.abs(np.array([0.05, 0.01, 0.0]) * (features - background.mean(axis=0))).mean(axis=0)
    np.testing.assert_allclose(found["shap"], wanted, atol=1e-6)
    assert found["feature"].tolist() == list(names)
    assert found["group"].tolist() == ["original state", "overall perturbation", "comparison"]
    assert found["n"].eq(8).all()
    assert (found["ci_low"] <= found["shap"]).all()
    assert (found["shap"] <= found["ci_high"]).all()
    assert capfd.readouterr() == ("", "")


def test_the_perceptron_is_explained_by_the_token_it_reads() -> None:
    names = FEATURE_NAMES[:3]
    probe = probe_of(lambda x: x[:, 0] + x[:, 1] * x[:, 2], names)
    features, lengths, _ = table(6, longest=4, columns=3)
    known, known_lengths, _ = table(5, seed=1, longest=4, columns=3)
    last, known_last = (np.cumsum(each) - 1 for each in (lengths, known_lengths))
    whole = shap_importance(probe, features, lengths, known, known_lengths, seed=0)
    alone = shap_importance(probe, features[last], [1] * 6, known[known_last], [1] * 5, seed=0)
    assert whole.equals(alone)


def test_as_many_answers_are_drawn_as_asked_for() -> None:
    probe, (features, lengths, _) = sequence_probe(names=FEATURE_NAMES[:5]), table(12, longest=9, columns=5)
    drawn = {"explained": 4, "background": 2, "permutations": 1, "resamples": 10}
    one, two = (shap_importance(probe, features, lengths, features, lengths, seed=1, **drawn) for _ in range(2))
    assert one["n"].eq(4).all()
    assert one.equals(two)


def test_what_cannot_be_explained_is_refused() -> None:
    probe = probe_of(lambda x: x[:, 0], FEATURE_NAMES[:3])
    features = np.zeros((2, 3))
    with pytest.raises(UserError, match="at least one answer"):
        shap_importance(probe, features, [1, 1], features[:0], [], seed=0)
    for wrong in ("explained", "background", "permutations", "resamples"):
        with pytest.raises(ValueError, match=f"`{wrong}` to be at least 1"):
            shap_importance(probe, features, [1, 1], features, [1, 1], seed=0, **{wrong: 0})


def test_looks_are_counted_and_cut_by_the_background() -> None:
    """Of a linear function, one answer of the background moves the values by w · (its distance from the mean)."""
    seen: list[int] = []

    def logit(inputs: Any) -> Any:
        seen.append(len(inputs))
        p = 0.5 + 0.05 * inputs[:, 0]
        return p.log() - (1 - p).log()

    rng = np.random.default_rng(0)
    features, background = rng.normal(size=(8, 3)), rng.normal(size=(40, 3))
    probe = probe_of(logit, ("original_entropy", "pei_value_token", "kl_div_perturbed_from_original_min"))
    coalitions = 8 * 2 * (2 * 3 + 1)

    def run(looks: int | None) -> Any:
        seen.clear()
        found = shap_importance(
            probe, features, [1] * 8, background, [1] * 40, background=30, looks=looks, seed=0, resamples=10
        )
        return found, sum(seen)

    whole, most = run(None)
    assert whole["background"].eq(30).all()
    few, fewer = run(coalitions * 6 + 5)
    assert few["background"].eq(6).all()
    # Beside the permutations each answer is read with all features and with none.
    assert fewer <= coalitions * 6 + 8 * 2 * 6
    assert most > 4 * fewer
    assert run(1)[0]["background"].eq(1).all()
    assert run(coalitions * 30)[0].equals(whole)
    # Each answer has a draw of its own, so that the mean is near that of the whole background.
    assert few["shap"][0] == pytest.approx(whole["shap"][0], rel=0.5)
    assert few["shap"][0] != whole["shap"][0]
    np.testing.assert_allclose(few["shap"][1:], 0, atol=1e-6)
