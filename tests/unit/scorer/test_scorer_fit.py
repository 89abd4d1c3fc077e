"""Fitting and choosing: on a model of random weights whose labels follow its own entropy."""

import copy
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from sklearn.metrics import brier_score_loss, roc_auc_score

from ccps import ConfidenceScorer
from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.scorer import Summary
from ccps.scorer.recipes import PROBES
from ccps.scorer.summary import Measured, _warnings
from ccps.settings.experiment import Config
from ccps.settings.method import MethodConfig
from ccps.stages.main.checks import to_config
from experiments.configs import CONF

PROBES_AS_THEY_ARE = dict(PROBES)  # before a fixture shortens them


def test_it_learns_what_is_to_be_learnt(fitted: ConfidenceScorer, choices: Any, learnable: list[int]) -> None:
    p = fitted.predict_proba(choices)
    assert p.shape == (60,)
    assert roc_auc_score(learnable, p) > 0.8
    assert [one.p_correct for one in fitted.score(choices)] == p.tolist()


def test_the_summary_is_of_what_was_said_out_of_fold(fitted: ConfidenceScorer, learnable: list[int]) -> None:
    summary, held_out = fitted.summary, fitted.learnt.held_out
    assert summary is not None
    assert held_out is not None
    assert held_out.correct.tolist() == [one == 1 for one in learnable]
    assert summary.metrics["auroc"].value == pytest.approx(roc_auc_score(held_out.correct, held_out.p_correct))
    assert summary.metrics["brier"].value == pytest.approx(brier_score_loss(held_out.correct, held_out.p_correct))
    assert (summary.n, summary.right, summary.base_rate) == (60, sum(learnable), sum(learnable) / 60)
    compared = [one for one in summary.candidates if not one.why_not]
    assert [one.is_chosen for one in compared] == [one.brier == min(c.brier for c in compared) for one in compared]
    assert all(one.low <= one.brier <= one.high for one in compared)
    printed = str(summary)
    for part in (summary.label, "60 answers", "AUROC", "ECE", "Brier", "95 % interval", "of the best of several"):
        assert part in printed


def test_what_is_saved_says_the_same(
    fitted: ConfidenceScorer, scorer: ConfidenceScorer, handed: LanguageModel, choices: Any, tmp_path: Path
) -> None:
    scorer.recalibrate(choices[:8], [1] * 8)
    scorer.save(tmp_path, licence="cc0-1.0")
    again = ConfidenceScorer.load(tmp_path, handed.model, tokenizer=handed.tokenizer)
    assert again.predict_proba(choices).tolist() == scorer.predict_proba(choices).tolist()
    assert again.settings == scorer.settings
    assert str(again.summary) == str(scorer.summary)
    assert again.threshold(0.5) == scorer.threshold(0.5)
    card = (tmp_path / "README.md").read_text()
    wanted = ['license: "cc0-1.0"', "Words, ours, CC0.", "AUROC", "## Limits", "8 labels of other questions, 8 of them"]
    assert [part for part in wanted if part not in card] == []
    # What is saved over it leaves nothing of it.
    fitted.save(tmp_path)
    assert ConfidenceScorer.load(tmp_path, handed.model, tokenizer=handed.tokenizer).learnt.shift is None


def test_no_path_of_this_machine_is_stored(
    handed: LanguageModel, choices: Any, learnable: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed.model.save_pretrained(tmp_path / "model")
    handed.tokenizer.save_pretrained(tmp_path / "model")
    scorer = ConfidenceScorer(tmp_path / "model").fit(choices, correct=learnable, method="entropy")
    scorer.save(tmp_path / "scorers" / "mine")
    for path in (tmp_path / "scorers").rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes()
    assert json.loads((tmp_path / "scorers" / "mine" / "scorer.json").read_text())["model"]["location"] == "../../model"
    said = scorer.predict_proba(choices[:3]).tolist()
    (tmp_path / "scorers").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert ConfidenceScorer.load("mine").predict_proba(choices[:3]).tolist() == said
    (tmp_path / "model").rename(tmp_path / "away")
    assert ConfidenceScorer.load("mine", location="../away").predict_proba(choices[:3]).tolist() == said
    # The same weights in memory are the same model.
    taken = ConfidenceScorer.load("mine", handed.model, tokenizer=handed.tokenizer)
    assert taken.predict_proba(choices[:3]).tolist() == said
    with pytest.raises(UserError, match=r"a checkpoint folder with a config\.json"):
        ConfidenceScorer.load("mine").predict_proba(choices[:3])


def test_a_model_in_memory_must_be_given_again(
    fitted: ConfidenceScorer, choices: Any, tiny_config: Callable[..., ModelConfig], tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    with pytest.raises(UserError, match=r"one that can be found again, .*load\(path, model=…\)"):
        ConfidenceScorer.load(tmp_path).predict_proba(choices)
    other = load_model(find_model("other", tiny_config("llama", seed=1, max_position_embeddings=1024)))
    with pytest.raises(UserError, match=r"the one the probe was fitted on.*other weights.*Give the scorer the same"):
        ConfidenceScorer.load(tmp_path, other.model, tokenizer=other.tokenizer)


def test_the_model_is_left_as_it_was(quick: None, tiny_config: Callable[..., ModelConfig], choices: Any) -> None:
    lm = load_model(find_model("own", tiny_config("llama", max_position_embeddings=1024)))
    model, tokenizer = lm.model.train().requires_grad_(True), lm.tokenizer
    model.get_decoder().layers[1].eval()
    model.generation_config.temperature = 0.7

    def looks() -> Any:
        return (
            {name: (value.dtype, value.clone()) for name, value in model.state_dict().items()},
            model.config.to_dict(),
            model.generation_config.to_dict(),
            [
                (module.training, list(module._forward_pre_hooks), list(module._forward_hooks))
                for module in model.modules()
            ],
            [parameter.requires_grad for parameter in model.parameters()],
            (tokenizer.chat_template, tokenizer.padding_side, vars(tokenizer).keys() - {"_x"}),
        )

    before = copy.deepcopy(looks())
    scorer = ConfidenceScorer(model, tokenizer).fit(choices, correct=[0, 1] * 30)
    scorer.score(choices[:3], answers=["a", "b", "c"])
    scorer.decide(choices[:3], risk=0.5)
    scorer.recalibrate(choices[:3], [1, 0, 1])
    for method in ("middle_logistic", "stack_full", "saplma_m"):
        scorer.fit(choices, correct=[0, 1] * 30, method=method)
        assert 0 <= scorer.generate(choices[0]).p_correct <= 1
    texts = [one["text"] for one in choices]
    scorer.fit(texts, correct=[0, 1] * 30, method="middle_logistic")
    pieces = scorer.generate("Why?", stream=True)
    next(pieces)  # and nobody listens any more
    weights, *rest = looks()
    for name, (dtype, value) in before[0].items():
        assert weights[name][0] == dtype
        assert torch.equal(weights[name][1], value)
    assert rest == list(before[1:])


def test_eight_threads_hear_what_one_does(fitted: ConfidenceScorer, choices: Any) -> None:
    alone = [fitted.predict_proba(choices[start : start + 7]).tolist() for start in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda start: fitted.predict_proba(choices[start : start + 7]).tolist(), range(8)))
    assert together == alone


def test_one_method_with_a_calibrator(handed: LanguageModel, choices: Any, learnable: list[int]) -> None:
    scorer = ConfidenceScorer(handed.model, handed.tokenizer)
    scorer.fit(choices, correct=learnable, method="entropy", calibrator="isotonic")
    assert (scorer.settings.method, scorer.settings.calibrator) == ("entropy", "isotonic")
    assert scorer.summary is not None
    assert [one.method for one in scorer.summary.candidates] == ["entropy_isotonic"]


def test_the_model_is_asked_and_graded(handed: LanguageModel, choices: Any) -> None:
    scorer = ConfidenceScorer(handed.model, handed.tokenizer)
    asked = scorer.fit(choices, correct=[0, 1] * 30, method="entropy").score(choices)
    assert {one.answer for one in asked} <= set("abc")
    right = [one.answer if place % 3 else "abc".replace(one.answer, "")[0] for place, one in enumerate(asked)]
    summary = scorer.fit(choices, correct=right, method="entropy").summary
    assert summary is not None
    assert (summary.n, summary.right) == (60, 40)


@pytest.mark.parametrize(
    ("correct", "changes", "message"),
    [
        ([1] * 60, {}, "60, all of them right. Add harder questions"),
        ([0] * 60, {}, "60, all of them wrong. Add easier questions"),
        ([None] * 59 + [1], {}, "1, all of them right"),
        ([None] * 60, {}, "some that are known to be right or wrong, but got none"),
        ([0, 1] * 30, {"method": "self_consistency"}, "`method` to be one that reads one pass.*auto, .*stack"),
        ([0, 1] * 30, {"method": "nothing"}, "nothing"),
        ([0, 1] * 30, {"calibrator": "nothing"}, "`calibrator` to be one of temperature"),
        ([1] + [0] * 59, {"method": "ccps_logistic"}, "some method to say something of these 60 answers, but got none"),
    ],
)
def test_what_cannot_be_fitted(
    handed: LanguageModel, choices: Any, correct: list[Any], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        ConfidenceScorer(handed.model, handed.tokenizer).fit(choices, correct=correct, **changes)


def test_few_labels_are_warned_of(handed: LanguageModel, choices: Any, capsys: pytest.CaptureFixture[str]) -> None:
    scorer = ConfidenceScorer(handed.model, handed.tokenizer).fit(choices[:12], correct=[0, 1] * 6, method="entropy")
    assert isinstance(scorer.summary, Summary)
    assert scorer.summary.warnings[0].startswith("12 labels are few: below 50")
    assert "12 labels are few" in capsys.readouterr().out


def test_nothing_is_said_before_it_is_fitted(handed: LanguageModel) -> None:
    with pytest.raises(UserError, match="this scorer to be fitted, but got one that has learnt nothing yet"):
        ConfidenceScorer(handed.model, handed.tokenizer).predict_proba(["Who?"])


def test_probes_are_fitted_by_the_recipes_of_the_default_experiment() -> None:
    with initialize_config_dir(str(CONF), version_base=None):
        settings = OmegaConf.to_container(compose("config"), resolve=True, throw_on_missing=False)
    config: Config = to_config(settings)  # type: ignore[arg-type]
    assert {"mc": config.probe.mc, "oe": config.probe.oe} == PROBES_AS_THEY_ARE


def test_an_interval_above_its_ece_is_said_to_be_one() -> None:
    def told(low: float) -> list[str]:
        metrics = {name: Measured(0.6, 0.55, 0.65) for name in ("auroc", "brier")} | {
            "ece": Measured(0.025, low, 0.083)
        }
        choice: Any = SimpleNamespace(judged=[], config=MethodConfig("ccps"))
        return _warnings(300, 200, metrics, choice)

    assert told(0.02) == []
    (warning,) = told(0.028)
    assert warning.startswith("the interval of the ECE lies above it")
