from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ccps.core.errors import UserError
from ccps.probes import ProbeConfig, fit_probe
from ccps.probes.transfer import COLUMNS, AnswerTable, by_probes, transfer
from ccps.settings.probe import EncoderConfig, StageConfig

ARGUMENTS: dict[str, Any] = {"resamples": 50, "seed": 0}


def answers(
    number: Any, seed: int, name: str = "q", sign: float = 1.0, longest: int = 1, correct: Any = None
) -> AnswerTable:
    """Right answers lie two standard deviations higher in ten columns; or lower, or nowhere else (`sign`)."""
    rng = np.random.default_rng(seed)
    correct = rng.integers(2, size=number).astype(bool) if correct is None else np.full(number, correct)
    lengths = rng.integers(1, longest + 1, size=number)
    features = rng.normal(size=(lengths.sum(), 75))
    features[:, :10] += 2 * sign * np.repeat(correct, lengths)[:, None]
    return AnswerTable(features.astype(np.float32), lengths, correct, [f"{name}{place}" for place in range(number)])


@pytest.fixture
def trained(config: ProbeConfig) -> Any:
    return replace(config, contrastive=StageConfig(steps=0), classifier=StageConfig(steps=60, learning_rate=1e-2))


def test_every_source_is_measured_on_every_set(trained: Any) -> None:
    sources = {"a": answers(80, 0, "a"), "b": answers(60, 1, "b"), "mirrored": answers(70, 2, "m", sign=-1)}
    tests = {"a": answers(90, 3, "t")}
    found = transfer(sources, tests, by_probes(trained, [5, 6], 20.0), **ARGUMENTS)
    assert tuple(found.columns) == COLUMNS
    wanted = [(source, test, "train") for source in sources for test in sources]
    wanted += [(source, "a", "test") for source in sources]
    assert sorted(found[["train", "test", "split"]].itertuples(index=False, name=None)) == sorted(wanted)
    assert found["metric"].eq("auroc").all()
    assert found["reason"].isna().all()
    value = found.set_index(["train", "test", "split"])["value"]
    assert value["a", "b", "train"] > 0.9
    assert value["mirrored", "mirrored", "train"] > 0.9
    assert value["a", "mirrored", "train"] < 0.1
    assert value["mirrored", "a", "test"] < 0.1
    assert ((found["ci_low"] <= found["value"]) & (found["value"] <= found["ci_high"])).all()
    sizes = found.set_index(["train", "test", "split"])[["n", "train_n"]]
    assert sizes.loc[("a", "b", "train")].tolist() == [60, 80]
    assert sizes.loc[("b", "a", "test")].tolist() == [90, 60]
    assert sizes.loc[("b", "b", "train"), "n"] == 60
    assert sizes.loc[("b", "b", "train"), "train_n"] in (29, 30)


def test_values_are_those_of_probes_fitted_alone(config: ProbeConfig) -> None:
    source, test = answers(60, 0), answers(50, 1)
    found = transfer({"a": source}, {"t": test}, by_probes(config, [5, 6], 20.0), **ARGUMENTS).set_index("test")
    probes = [
        fit_probe(source.features, source.correct, source.question_ids, config, seed, radius=20.0) for seed in (5, 6)
    ]
    wanted = np.mean([roc_auc_score(test.correct, probe.predict(test.features)) for probe in probes])
    assert found.loc["t", "value"] == pytest.approx(wanted, abs=1e-3)


def test_on_its_own_questions_a_probe_is_not_judged_by_what_it_has_seen(trained: Any) -> None:
    """Labels mean nothing: whoever has seen them can tell, the probe of the other half cannot."""
    rng = np.random.default_rng(0)
    noise = answers(300, 1)
    noise = noise._replace(
        features=rng.normal(size=noise.features.shape).astype(np.float32), correct=rng.integers(2, size=300) > 0
    )
    eager = replace(
        trained,
        encoder=EncoderConfig(hidden=[], embed_dim=64),
        classifier=StageConfig(steps=200, learning_rate=1e-2, weight_decay=0.0, encoder_dropout=0.0),
    )
    value = transfer({"a": noise}, {"itself": noise}, by_probes(eager, [0], 20.0), **ARGUMENTS).set_index("test")[
        "value"
    ]
    assert value["itself"] > 0.85
    assert 0.35 < value["a"] < 0.65


def test_what_cannot_be_fitted_or_measured_is_missing_with_its_reason(trained: Any) -> None:
    sources = {
        "good": answers(60, 0, "g"),
        "few": answers(19, 1, "f"),
        "right": answers(30, 2, "r", correct=True),
        "rare": answers(30, 3, "x", correct=False),
    }
    sources["rare"].correct[0] = True
    tests = {"wrong": answers(25, 4, "w", correct=False)}
    found = transfer(sources, tests, by_probes(trained, [0], 20.0), **ARGUMENTS)
    assert len(found) == 4 * 5
    missing = found[found["reason"].notna()]
    assert missing[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    reason = found.set_index(["train", "test"])["reason"]
    assert reason["good", "few"] == reason["few", "good"] == "19 answers, fewer than 20"
    assert reason["right", "good"] == reason["good", "right"] == "all 30 answers are right"
    assert reason["good", "wrong"] == "all 25 answers are wrong"
    assert "too few to hold out" in reason["rare", "good"]
    # One right answer is not enough to learn from, but it can be ranked.
    measured = found[found["reason"].isna()][["train", "test"]]
    assert measured.to_numpy().tolist() == [["good", "good"], ["good", "rare"]]


def test_a_source_that_is_too_small_to_be_halved_is_fitted_all_the_same(trained: Any) -> None:
    small = answers(20, 0)
    assert 5 < small.correct.sum() < 15
    found = transfer({"a": small}, {"t": answers(40, 1)}, by_probes(trained, [0], 20.0), **ARGUMENTS).set_index("test")
    assert "too few" in found.loc["a", "reason"]
    assert np.isnan(found.loc["a", "value"])
    assert found["reason"].isna().tolist() == [False, True]
    assert found.loc["t", "value"] > 0.5


def test_answers_of_many_tokens(trained: Any) -> None:
    encoder = EncoderConfig(hidden=[8], kernels=[3], max_tokens=4, embed_dim=4)
    sources = {name: answers(60, seed, name, longest=6) for seed, name in enumerate("ab")}
    learn = by_probes(replace(trained, encoder=encoder), [0], 20.0)
    found = transfer(sources, {}, learn, **ARGUMENTS)
    assert found["value"].gt(0.8).all()


def test_the_same_seed_gives_the_same_table(config: ProbeConfig) -> None:
    sources = {"a": answers(40, 0, "a"), "b": answers(40, 1, "b")}
    one, two = (transfer(sources, {}, by_probes(config, [3], 20.0), **ARGUMENTS) for _ in range(2))
    assert one.equals(two)


def test_a_recipe_that_cannot_be_is_refused(config: ProbeConfig) -> None:
    learn = by_probes(replace(config, classifier=StageConfig(learning_rate=0.0)), [0], 20.0)
    with pytest.raises(UserError, match="learning_rate"):
        transfer({"a": answers(40, 0)}, {}, learn, **ARGUMENTS)


def test_taking_answers_takes_their_tokens() -> None:
    table = answers(4, 0, longest=5)
    taken = table.take(np.array([True, False, False, True]))
    first, last = table.lengths[0], table.lengths[3]
    np.testing.assert_array_equal(taken.features, np.concatenate([table.features[:first], table.features[-last:]]))
    assert taken.question_ids == ["q0", "q3"]
    assert taken.lengths.tolist() == [first, last]
    np.testing.assert_array_equal(taken.correct, table.correct[[0, 3]])
