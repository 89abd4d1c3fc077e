"""The front door, on a tiny random model: what it computes is checked against the pieces, step by step."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ccps import ConfidenceScorer
from ccps.asking.interview import Interview, Manner
from ccps.core.errors import UserError
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, find_model, prompt_ids
from ccps.methods import METHODS
from ccps.methods.calibrated import Untrained
from ccps.methods.ccps import by_probe
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.perturbation import stability_features
from ccps.probes import FittedProbe, ProbeConfig, fit_probe
from ccps.settings.probe import EncoderConfig, StageConfig

QUESTIONS = [
    {"id": "short", "text": "One or two?", "options": ["one", "two"]},
    {"id": "long", "text": "Which of these many words is a colour?", "options": ["tree", "red", "stone", "sea"]},
]


@pytest.fixture(scope="module")
def probe() -> FittedProbe:
    rng = np.random.default_rng(0)
    stage = StageConfig(steps=10, eval_every=10)
    config = ProbeConfig(contrastive=stage, classifier=stage)
    return fit_probe(rng.normal(size=(60, 75)), np.arange(60) % 2, list(range(60)), config, 0, radius=20.0)


@pytest.fixture(scope="module")
def make_scorer(probe: FittedProbe, tiny_config: Callable[..., ModelConfig]) -> Callable[..., ConfidenceScorer]:
    config = tiny_config("llama", max_position_embeddings=1024)

    def make(**changes: object) -> ConfidenceScorer:
        settings = {
            "model_name": "tiny",
            "model": config,
            "fingerprint": find_model("tiny", config).fingerprint,
            "radius": 20.0,
            "steps": 5,
            "format": "mc",
            "manner": Manner(),
        }
        stored = StoredScorer(by_probe(probe), ScorerSettings(**{**settings, **changes}))  # type: ignore[arg-type]
        return ConfidenceScorer.of(stored, device="cpu")

    return make


def by_hand(lm: LanguageModel, question: Mapping[str, Any], answer: list[int]) -> torch.Tensor:
    """Features of the answer's last token from one plain forward pass of the whole model."""
    record = Question("", "", str(question["text"]), tuple(question["options"]), (), "", "")
    ids = prompt_ids(lm.tokenizer, chat_messages(record))
    hidden = lm.model.get_decoder()(input_ids=torch.tensor([ids + answer[:-1]]), use_cache=False).last_hidden_state
    return stability_features(hidden[0, -1:], lm.head.weight, torch.tensor(answer[-1:]))


def test_scores_are_the_probe_on_the_features_of_the_models_own_token(
    make_scorer: Callable[..., ConfidenceScorer], probe: FittedProbe
) -> None:
    scorer = make_scorer()
    scores = scorer.score(QUESTIONS)
    lm = scorer._source.opened()
    for question, score in zip(QUESTIONS, scores, strict=True):
        record = Question("", "", question["text"], tuple(question["options"]), (), "", "")  # type: ignore[arg-type]
        ids = torch.tensor([prompt_ids(lm.tokenizer, chat_messages(record))])
        token = int(lm.model(input_ids=ids).logits[0, -1].argmax())
        assert score.question_id == question["id"]
        assert score.answer == lm.tokenizer.decode([token], skip_special_tokens=True).strip()
        expected = probe.predict(by_hand(lm, question, [token]).numpy())[0]
        assert score.p_correct == pytest.approx(expected, abs=1e-4)


def test_given_answers_are_letters_or_the_texts_of_options(
    make_scorer: Callable[..., ConfidenceScorer], probe: FittedProbe
) -> None:
    scorer = make_scorer()
    scores = scorer.score(QUESTIONS, answers=["b", "Red "])
    lm = scorer._source.opened()
    for question, answer, score in zip(QUESTIONS, ("b", "b"), scores, strict=True):
        tokens = lm.tokenizer(answer)["input_ids"]
        assert score.p_correct == pytest.approx(probe.predict(by_hand(lm, question, tokens).numpy())[0], abs=1e-4)
        assert score.answer == answer


@pytest.fixture(scope="module")
def open_probe() -> FittedProbe:
    rng = np.random.default_rng(0)
    stage = StageConfig(steps=10, eval_every=10)
    encoder = EncoderConfig(hidden=[8, 8], kernels=[3, 3], embed_dim=4, activation="ReLU")
    config = ProbeConfig(encoder=encoder, contrastive=stage, classifier=stage)
    answers = np.repeat(np.arange(40), 3)
    return fit_probe(rng.normal(size=(120, 75)), answers % 2, answers.tolist(), config, 0, radius=20.0)


def test_open_answers_are_scored_on_all_their_tokens(
    make_scorer: Callable[..., ConfidenceScorer], open_probe: FittedProbe
) -> None:
    settings = make_scorer(format="oe", manner=Manner(max_new_tokens=5)).settings
    scorer = ConfidenceScorer.of(StoredScorer(by_probe(open_probe), settings), device="cpu")
    questions = [{"id": "one", "text": "Who?"}, {"id": "two", "text": "What is it, if anything, and why?"}]
    lm = scorer._source.opened()
    records = [Question(str(q["id"]), "", str(q["text"]), (), (), "", "") for q in questions]
    answers = Interview(lm, records, Manner(max_new_tokens=5)).answer_all()
    for score, answer in zip(scorer.score(questions), answers, strict=True):
        assert score.answer == answer.text
        features = stability_features(answer.states, lm.head.weight, torch.tensor(answer.tokens))
        expected = open_probe.predict(features.numpy(), [len(answer.tokens)])[0]
        assert score.p_correct == pytest.approx(expected, abs=1e-4)
    given = scorer.score(questions, answers=["Ann", "a long answer of more than thirty tokens, letter by letter"])
    assert given[0].answer == "Ann"
    assert all(0 <= score.p_correct <= 1 for score in given)
    with pytest.raises(UserError, match="without options"):
        scorer.score(QUESTIONS)


def test_an_empty_answer_has_no_confidence(
    make_scorer: Callable[..., ConfidenceScorer], open_probe: FittedProbe
) -> None:
    scorer = ConfidenceScorer.of(StoredScorer(by_probe(open_probe), make_scorer(format="oe").settings), device="cpu")
    lm = scorer._source.opened()
    prompt = prompt_ids(lm.tokenizer, chat_messages(Question("", "", "Who?", (), (), "", "")))
    first = int(lm.model(input_ids=torch.tensor([prompt])).logits[0, -1].argmax())
    scorer._source._lm = replace(lm, end_tokens=(first,))
    empty = scorer.score([{"text": "Who?"}])[0]
    assert empty.answer == ""
    assert np.isnan(empty.p_correct)


def test_letters_answers_with_an_option(make_scorer: Callable[..., ConfidenceScorer]) -> None:
    first, second = make_scorer(manner=Manner(choice="letters")).score(QUESTIONS)
    assert first.answer in "ab"
    assert second.answer in "abcd"


def test_saved_scorer_gives_the_same_scores(make_scorer: Callable[..., ConfidenceScorer], tmp_path: Path) -> None:
    scorer = make_scorer()
    scorer.save(tmp_path / "scorer")
    loaded = ConfidenceScorer.load(tmp_path / "scorer", device="cpu")
    assert loaded.settings == scorer.settings
    assert loaded.score(QUESTIONS) == scorer.score(QUESTIONS)
    assert {path.suffix for path in (tmp_path / "scorer").iterdir()} == {".json", ".safetensors", ".md"}


def test_a_scorer_of_before_is_one_of_ccps(make_scorer: Callable[..., ConfidenceScorer], tmp_path: Path) -> None:
    scorer = make_scorer()
    scorer.save(tmp_path)
    path = tmp_path / "scorer.json"
    stored = json.loads(path.read_text())
    assert stored["method"] == "ccps"
    del stored["method"], stored["calibrator"]
    path.write_text(json.dumps({**stored, "format_version": 2}))
    assert ConfidenceScorer.load(tmp_path, device="cpu").settings == scorer.settings
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match="does not say which method"):
        ConfidenceScorer.load(tmp_path)


def test_a_method_that_learns_nothing(make_scorer: Callable[..., ConfidenceScorer], tmp_path: Path) -> None:
    own = make_scorer(method="answer_probability").settings
    StoredScorer(Untrained(METHODS["answer_probability"]), own).save(tmp_path)  # type: ignore[arg-type]
    scorer = ConfidenceScorer.load(tmp_path, device="cpu")
    lm = scorer._source.opened()
    for question, score in zip(QUESTIONS, scorer.score(QUESTIONS), strict=True):
        record = Question("", "", question["text"], tuple(question["options"]), (), "", "")  # type: ignore[arg-type]
        logits = lm.model(input_ids=torch.tensor([prompt_ids(lm.tokenizer, chat_messages(record))])).logits[0, -1]
        assert score.p_correct == pytest.approx(float(logits.softmax(0).max()), abs=1e-6)
        assert score.source == "Answer probability"


def test_a_method_that_takes_samples_is_no_scorer(make_scorer: Callable[..., ConfidenceScorer]) -> None:
    own = replace(make_scorer().settings, method="self_consistency")
    with pytest.raises(UserError, match="nothing but a question and its answer, but got `self_consistency`"):
        ConfidenceScorer.of(StoredScorer(Untrained(METHODS["self_consistency"]), own))  # type: ignore[arg-type]


def test_nothing_to_score(make_scorer: Callable[..., ConfidenceScorer]) -> None:
    assert make_scorer().score([]) == []


@pytest.mark.parametrize(
    ("questions", "answers", "message"),
    [
        ([{"text": "", "options": ["a", "b"]}], None, "question '0' to be one with a `text`"),
        ([{"text": "No options?"}], None, "`options` of question '0' to be a list of 2 to 26 texts, but got 0"),
        ([{"text": "One text?", "options": "abc"}], None, "`options` is the text 'abc', where a list is wanted"),
        ([{"text": None, "options": ["a", "b"]}], None, "`text` is missing, where a text is wanted"),
        ([{"text": float("nan"), "options": ["a", "b"]}], None, r"`text` is not a number \(NaN\)"),
        ([{"text": ["x"], "options": ["a", "b"]}], None, "`text` is a list of 1"),
        ([{"text": "One missing?", "options": ["a", None]}], None, "`options.1` is missing"),
        ([{"text": "One empty?", "options": ["a", " "]}], None, "`options.1` of question '0' to be a text"),
        ([{"text": "A mapping?", "options": {"A": "x", "B": "y"}}], None, r"`options` is a mapping \(A, B\)"),
        ([{"text": "None?", "options": None}], None, "to be a list of 2 to 26 texts, but got 0"),
        ([{"text": "Which?", "options": ["a", "b"]}], [None], "answer 0 is missing"),
        ([{"text": "Which?", "options": ["a", "b"]}], [["a"]], "answer 0 is a list of 1"),
        ([{"text": "Too many?", "options": ["x"] * 27}], None, "to be a list of 2 to 26 texts, but got 27"),
        (QUESTIONS, ["a"], "`answers` to be 2 texts"),
        ([None], None, "question 0 to be a `Question` or a mapping"),
        (["Which?"], None, "`options` of question '0' to be a list of 2 to 26 texts, but got 0"),
        ("Which?", None, "`questions` to be several, but got a single text"),
        ({"text": "Which?"}, None, "`questions` to be several, but got a single mapping"),
        ([{"role": "user", "content": "Which?"}], None, "a list of questions, but got a single conversation"),
        ([{"text": "[{'role': 'user'}]", "options": ["a", "b"]}], None, "`text` is a list of 1 written as text"),
        ([{"text": "Which?", "options": ["a", "b"]}], "a", "got a single text"),
        ([{"text": "Which?", "options": ["a", "b"]}], {"0": "a"}, "`answers` is a mapping"),
        (QUESTIONS, ["a", "  "], "nothing for question 'long'"),
        ([{"id": "huge", "text": "x" * 2000, "options": ["y", "z"]}], None, "1024 tokens.*question huge"),
    ],
)
def test_bad_questions_and_answers(
    make_scorer: Callable[..., ConfidenceScorer], questions: list[object], answers: list[str] | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_scorer().score(questions, answers)


def test_another_model_is_refused(make_scorer: Callable[..., ConfidenceScorer]) -> None:
    with pytest.raises(UserError, match=r"model `tiny`.*the one the probe was fitted on \(other\)"):
        make_scorer(fingerprint="other").score(QUESTIONS)


def test_folders_that_hold_no_scorer(make_scorer: Callable[..., ConfidenceScorer], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"scorer\.json.*settings of a scorer"):
        ConfidenceScorer.load(tmp_path)
    make_scorer().save(tmp_path)
    settings = tmp_path / "scorer.json"
    settings.write_text(settings.read_text().replace('"format_version": 4', '"format_version": 1'))
    with pytest.raises(UserError, match="format version is not 4"):
        ConfidenceScorer.load(tmp_path)
    with pytest.raises(UserError, match=r"outputs/<experiment>/scorers"):
        ConfidenceScorer.load("nobody/nothing-here")


def test_a_model_far_away_is_remembered_by_this_machine_alone(
    make_scorer: Callable[..., ConfidenceScorer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path / "cache"))
    settings = make_scorer().settings
    far = replace(settings, model=ModelConfig(source="folder", location="/usr/lib"), fingerprint="of this test")
    StoredScorer(make_scorer().fitted, far).save(tmp_path / "scorer")
    assert json.loads((tmp_path / "scorer" / "scorer.json").read_text())["model"]["location"] == "lib"
    assert StoredScorer.load(tmp_path / "scorer").settings.model.location == "/usr/lib"
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path / "another"))
    assert StoredScorer.load(tmp_path / "scorer").settings.model.location == str(tmp_path / "scorer" / "lib")
