"""Answers written token by token, and scorers on the hub."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ccps import ConfidenceScorer
from ccps.asking.interview import Manner
from ccps.core.errors import UserError
from ccps.faithful import say
from ccps.llm import LanguageModel, generate, prompt_ids
from ccps.perturbation import flip_radius
from ccps.scorer import Reply, Token
from ccps.scorer.questions import as_asked
from ccps.scorer.reading import interview

TEXTS = [f"What is {place} times {place}?" for place in range(30)]


@pytest.fixture(scope="module")
def written(quick: None, handed: LanguageModel) -> ConfidenceScorer:
    """For open-ended answers of up to 8 tokens, by a method that also reads between the layers."""
    scorer = ConfidenceScorer(handed.model, handed.tokenizer, manner=Manner(max_new_tokens=8))
    return scorer.fit(TEXTS, correct=[0, 1] * 15, method="middle_logistic")


def test_what_is_written_is_what_is_scored(written: ConfidenceScorer, handed: LanguageModel) -> None:
    *tokens, reply = written.generate(TEXTS[3], stream=True)
    [scored] = written.score([TEXTS[3]])
    assert isinstance(reply, Reply)
    assert (reply.text, reply.is_cut) == (scored.answer, scored.is_cut)
    assert reply.p_correct == pytest.approx(scored.p_correct, abs=1e-6)
    assert list(reply.tokens) == tokens
    assert 0 < len(tokens) <= 8
    assert written.generate(TEXTS[3]) == reply


def test_the_stability_of_a_token_is_its_flip_radius(written: ConfidenceScorer, handed: LanguageModel) -> None:
    messages = [{"role": "user", "content": "Who?"}]
    reply = written.generate({"messages": messages})
    ids = prompt_ids(handed.tokenizer, messages)
    for token in reply.tokens:
        output = handed.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        chosen = int(output.logits[0, -1].argmax())
        [radius] = flip_radius(output.hidden_states[-1][0, -1:], handed.head, torch.tensor([chosen]))
        assert token.stability == pytest.approx(float(radius), rel=1e-3)
        ids.append(chosen)


def test_words_stand_for_the_confidence(written: ConfidenceScorer) -> None:
    reply = written.generate(TEXTS[0], say=True)
    assert reply.said == say(reply.p_correct)
    assert written.generate(TEXTS[0]).said is None


def test_an_option_is_one_token(fitted: ConfidenceScorer, choices: Any) -> None:
    token, reply = fitted.generate(choices[0], stream=True)
    [scored] = fitted.score(choices[:1])
    assert isinstance(token, Token)
    assert token.text == reply.text == scored.answer
    assert reply.p_correct == pytest.approx(scored.p_correct, abs=1e-6)  # type: ignore[union-attr]


def test_others_may_ask_while_one_is_listened_to(written: ConfidenceScorer) -> None:
    pieces = written.generate(TEXTS[1], stream=True)
    next(pieces)
    found: list[Any] = []
    other = threading.Thread(target=lambda: found.append(written.predict_proba(TEXTS[:2])))
    other.start()
    other.join(timeout=60)
    assert len(found) == 1
    *_, reply = pieces
    assert reply == written.generate(TEXTS[1])


def together(scorer: ConfidenceScorer, told: set[int], texts: list[str]) -> list[list[Any]]:
    """What is told of each question, in order."""
    found: list[list[Any]] = [[] for _ in texts]
    for step in scorer.generate_together(texts, told):
        for place, piece in step:
            found[place].append(piece)
    return found


@pytest.mark.parametrize("method", ["middle_logistic", "sequence_probability"])
def test_those_who_are_written_together_are_told_what_each_would_be_alone(
    method: str, quick: None, handed: LanguageModel
) -> None:
    scorer = ConfidenceScorer(handed.model, handed.tokenizer, manner=Manner(max_new_tokens=8))
    scorer.fit(TEXTS, correct=[0, 1] * 15, method=method)
    texts = [TEXTS[3], TEXTS[12], "Who?"]
    found = together(scorer, {0, 2}, texts)
    for place, (text, pieces) in enumerate(zip(texts, found, strict=True)):
        *tokens, reply = pieces
        alone = scorer.generate(text)
        assert reply.text == alone.text
        assert reply.p_correct == pytest.approx(alone.p_correct, abs=1e-5)
        assert list(reply.tokens) == tokens
        said = [(token.text, pytest.approx(token.stability, rel=1e-3)) for token in alone.tokens]
        assert [(token.text, token.stability) for token in tokens] == (said if place != 1 else [])


def test_a_reply_comes_with_the_end_of_its_own_answer(quick: None, handed: LanguageModel) -> None:
    scorer = ConfidenceScorer(handed.model, handed.tokenizer, manner=Manner(max_new_tokens=8))
    scorer.fit(TEXTS, correct=[0, 1] * 15, method="sequence_probability")
    prompts = interview(scorer.source, as_asked(TEXTS[:2], "oe"), scorer.settings.manner, scorer.learnt.reads).prompts
    one, other = (generated.tokens for generated in generate(handed, prompts, 8))
    # A token of the first answer, as early as can be, that is not in the other.
    end = next(place for place, token in enumerate(one) if token not in other)
    scorer.source._lm = replace(scorer.source.opened(), end_tokens=(one[end],))
    places = [
        [place for place, piece in step if isinstance(piece, Reply)] for step in scorer.generate_together(TEXTS[:2])
    ]
    assert [place for step in places for place in step] == [0, 1]
    assert places[end] == [0]
    assert places[-1] == [1]
    assert end < len(places) - 1


class Hub:
    """The client of a hub that keeps repositories in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> Any:
        if repo_id.startswith("other/"):
            raise PermissionError("403 Forbidden: not yours")
        (self.folder / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return type("Url", (str,), {"repo_id": repo_id})(f"https://hub.example/{repo_id}")

    def upload_folder(self, *, folder_path: Path, repo_id: str, commit_message: str, delete_patterns: str) -> None:
        for path in Path(folder_path).rglob("*"):
            if path.is_file():
                target = self.folder / repo_id / path.relative_to(folder_path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Hub(tmp_path))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo, **_: str(tmp_path / repo))
    return tmp_path


def test_a_scorer_goes_to_the_hub_and_comes_back(
    fitted: ConfidenceScorer, handed: LanguageModel, choices: Any, hub: Path
) -> None:
    assert fitted.push_to_hub("me/scorer", licence="mit") == "https://hub.example/me/scorer"
    again = ConfidenceScorer.load("me/scorer", handed.model, tokenizer=handed.tokenizer)
    assert again.predict_proba(choices[:5]).tolist() == fitted.predict_proba(choices[:5]).tolist()
    assert 'license: "mit"' in (hub / "me" / "scorer" / "README.md").read_text()


def test_a_hub_that_refuses(fitted: ConfidenceScorer, hub: Path) -> None:
    with pytest.raises(UserError, match=r"`other/scorer`, but got: 403 Forbidden: not yours\. Check the id"):
        fitted.push_to_hub("other/scorer")


def test_the_hub_does_not_hear_of_folders(handed: LanguageModel, choices: Any, hub: Path) -> None:
    handed.model.save_pretrained(hub / "a" / "model")
    handed.tokenizer.save_pretrained(hub / "a" / "model")
    scorer = ConfidenceScorer(hub / "a" / "model").fit(choices, correct=[0, 1] * 30, method="entropy")
    scorer.push_to_hub("me/scorer")
    assert '"location": "model"' in (hub / "me" / "scorer" / "scorer.json").read_text()
