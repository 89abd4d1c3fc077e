"""The front door for practitioners: a calibrated confidence with each answer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ccps.asking.interview import Answer, Interview
from ccps.core.errors import UserError, expected
from ccps.data.records import Question
from ccps.data.values import as_list, as_text, refuse_printed
from ccps.llm import LanguageModel, ModelFiles, find_model, load_model
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.perturbation import Head, stability_features
from ccps.probes import FittedProbe


@dataclass(frozen=True)
class Confidence:
    """How probable it is that an answer is correct.

    Attributes:
        question_id: id of the question.
        answer: the answer that was judged.
        p_correct: P(the answer is correct), in [0, 1]; higher means more confident. NaN if the answer is empty.
        source: what said so.
        is_cut: whether the model was cut off at the limit of tokens before it had ended its answer.
        is_truncated: whether the answer is longer than the probe reads, so that only its first tokens count.
    """

    question_id: str
    answer: str
    p_correct: float
    source: str = "CCPS probe"
    is_cut: bool = False
    is_truncated: bool = False


class ConfidenceScorer:
    """Asks a language model and says how probable it is that each answer is correct (CCPS, arXiv 2505.21772).

    >>> scorer = ConfidenceScorer.load("outputs/embedded/scorers/qwen25_coder_1b5")  # doctest: +SKIP
    >>> question = {"text": "What is 7 × 8?", "options": ["54", "56", "63", "48"]}  # doctest: +SKIP
    >>> scorer.score([question])  # doctest: +SKIP
    [Confidence(question_id='0', answer='b', p_correct=0.83, source='CCPS probe')]

    Args:
        probe: the fitted probe.
        settings: the model it belongs to, and how that is asked and perturbed.
        device: where the model runs: `auto`, `cpu`, `cuda`, ….
    """

    def __init__(self, probe: FittedProbe, settings: ScorerSettings, device: str = "auto") -> None:
        self.probe = probe
        self.settings = settings
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device

    @classmethod
    def load(cls, path_or_repo: str | Path, device: str = "auto") -> "ConfidenceScorer":
        """Load a scorer from a folder that `save` wrote, or from a hub repository that holds one.

        Raises:
            UserError: there is no scorer there, or its files are broken.
        """
        stored = StoredScorer.load(path_or_repo)
        return cls(stored.probe, stored.settings, device)

    def save(self, path: str | Path) -> None:
        """Write `probe.safetensors`, `probe.json` and `scorer.json` into a folder; no weights of the LLM."""
        StoredScorer(self.probe, self.settings).save(path)

    def score(
        self, questions: Sequence[Question | Mapping[str, Any]], answers: Sequence[str] | None = None
    ) -> list[Confidence]:
        """Answer questions, or take answers as given, and say how probable it is that each is correct.

        Args:
            questions: as `Question` or as mappings with `text`, with `options` if they are multiple choice, and with
                `id` if wanted; of the format that the probe was fitted on.
            answers: an answer per question (an option letter, or a text); without them the model answers.

        Returns:
            One confidence per question, in their order. Where the model answers with nothing there is no token to
            probe: `p_correct` is NaN.

        Raises:
            UserError: a question has no text, or options where there should be none or none where there should be
                some; an answer is empty, numbers do not fit, a prompt is longer than the context window, or the model
                is not the one the probe was fitted on.
        """
        asked = [_question(item, index, self.settings.format) for index, item in enumerate(questions)]
        if not asked:
            return []
        if answers is not None:
            asked = _with_answers(asked, answers)
        given = Interview(self._model, asked, self.settings.manner).answer_all()
        return [
            Confidence(
                question.id,
                answer.text,
                p,
                is_cut=answer.is_cut,
                is_truncated=bool(answer.tokens) and self.probe.truncated([len(answer.tokens)]) > 0,
            )
            for question, answer, p in zip(asked, given, self._p_correct(given), strict=True)
        ]

    @cached_property
    def _model(self) -> LanguageModel:
        files: ModelFiles = find_model(self.settings.model_name, self.settings.model)
        if files.fingerprint != self.settings.fingerprint:
            raise expected(
                f"model `{self.settings.model_name}`",
                f"the one the probe was fitted on ({self.settings.fingerprint})",
                f"other weights, tokenizer or settings ({files.fingerprint})",
                "Point the scorer at the same model, or fit a probe for this one.",
            )
        return load_model(files, self._device)

    @cached_property
    def _head(self) -> Head:
        return self._model.head.to(torch.device("cpu"), torch.float32)

    def _p_correct(self, answers: Sequence[Answer]) -> list[float]:
        """P(correct) of each answer, NaN for those without a token."""
        filled = [answer for answer in answers if answer.tokens]
        if not filled:
            return [math.nan] * len(answers)
        features = stability_features(
            torch.cat([answer.states for answer in filled]).cpu(),
            self._head,
            torch.tensor([token for answer in filled for token in answer.tokens]),
            radius=self.settings.radius,
            steps=self.settings.steps,
        )
        known = iter(self.probe.predict(features.numpy(), [len(answer.tokens) for answer in filled]).tolist())
        return [next(known) if answer.tokens else math.nan for answer in answers]


def _question(item: Question | Mapping[str, Any], index: int, format: str) -> Question:
    if isinstance(item, Question):
        question = item
    elif not hasattr(item, "keys"):
        raise expected(
            f"question {index}", "a `Question` or a mapping with `text`", repr(item)[:60], "Pass a list of questions."
        )
    else:
        name = _text(item, "id", str(index), index)
        question = Question(
            id=name,
            subject="",
            text=_text(item, "text", "", index),
            options=_options(item, name),
            accepted=(),
            split="",
            source="",
        )
    if not question.text.strip():
        raise expected(f"question {question.id!r}", "one with a `text`", "none", "Give every question its text.")
    if format == "oe" and question.options:
        raise expected(
            f"question {question.id!r}",
            "without options: the probe is for open-ended answers",
            "some",
            "Leave them out.",
        )
    if format == "mc" and not 2 <= len(question.options) <= 26:
        raise expected(
            f"`options` of question {question.id!r}", "a list of 2 to 26 texts", len(question.options), "Correct them."
        )
    return question


def _text(item: Mapping[str, Any], field: str, default: str, index: int) -> str:
    if field not in item:
        return default
    try:
        refuse_printed(item[field], f"`{field}`")
        return as_text(item[field], f"`{field}`")
    except ValueError as error:
        raise _misread(f"question {index}", error) from error


def _options(item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The options of a question: a list of texts that hold something; none where the key is not there."""
    if "options" not in item or item["options"] is None:
        return ()
    try:
        listed = as_list(item["options"], "`options`")
        options = tuple(as_text(option, f"`options.{place}`") for place, option in enumerate(listed))
    except ValueError as error:
        raise _misread(f"question {name!r}", error) from error
    empty = [place for place, option in enumerate(options) if not option.strip()]
    if empty:
        raise expected(f"`options.{empty[0]}` of question {name!r}", "a text", "an empty one", "Leave it out.")
    return options


def _misread(what: str, error: ValueError) -> UserError:
    return expected(what, "one whose fields are texts, and options a list of them", str(error), "Correct it.")


def _with_answers(questions: Sequence[Question], answers: Sequence[str]) -> list[Question]:
    """The questions, each with its answer."""
    try:
        if isinstance(answers, str):
            raise ValueError("a single text")
        answers = as_list(answers, "`answers`")
    except ValueError as error:
        raise expected("`answers`", "a list of texts, one per question", str(error), "Give one for each.") from error
    if len(answers) != len(questions):
        raise expected("`answers`", f"{len(questions)} texts, one per question", len(answers), "Give one for each.")
    try:
        answers = [as_text(answer, f"answer {place}") for place, answer in enumerate(answers)]
    except ValueError as error:
        raise _misread("`answers`", error) from error
    empty = [question.id for question, answer in zip(questions, answers, strict=True) if not answer.strip()]
    if empty:
        raise expected(
            "every answer",
            "a text that is not empty",
            f"nothing for question {', '.join(map(repr, empty[:5]))}",
            "Leave these questions out.",
        )
    return [replace(question, given_answer=answer) for question, answer in zip(questions, answers, strict=True)]
