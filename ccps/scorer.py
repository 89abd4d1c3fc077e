"""The front door for practitioners: a calibrated confidence with each answer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ccps.asking.interview import Answer, Interview
from ccps.core.errors import UserError, expected
from ccps.core.visible import seen
from ccps.data.records import Question
from ccps.data.values import as_list, as_text, refuse_printed
from ccps.llm import LanguageModel, ModelFiles, find_model, load_model
from ccps.methods import Evidence, Fitted, find_method
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.needs.base import NEEDS, Given, is_portable
from ccps.perturbation import FEATURE_NAMES, Head, stability_features


@dataclass(frozen=True)
class Confidence:
    """How probable it is that an answer is correct.

    Attributes:
        question_id: id of the question.
        answer: the answer that was judged.
        p_correct: P(the answer is correct), in [0, 1]; higher means more confident. NaN if the answer is empty.
        source: the method that said so, as readers know it.
        is_cut: whether the model was cut off at the limit of tokens before it had ended its answer.
        is_truncated: whether the answer is longer than the method reads, so that only its first tokens count.
    """

    question_id: str
    answer: str
    p_correct: float
    source: str = "CCPS"
    is_cut: bool = False
    is_truncated: bool = False


class ConfidenceScorer:
    """Asks a language model and says how probable it is that each answer is correct, by any method that was exported.

    >>> scorer = ConfidenceScorer.load("outputs/embedded/scorers/qwen25_coder_1b5/mc/best")  # doctest: +SKIP
    >>> question = {"text": "What is 7 × 8?", "options": ["54", "56", "63", "48"]}  # doctest: +SKIP
    >>> scorer.score([question])  # doctest: +SKIP
    [Confidence(question_id='0', answer='b', p_correct=0.83, source='Stack')]

    Args:
        fitted: what the method has learnt.
        settings: which method it is, the model it belongs to, and how that is asked and perturbed.
        device: where the model runs: `auto`, `cpu`, `cuda`, ….

    Raises:
        UserError: there is no such method, or it takes more than one pass over question and answer.
    """

    def __init__(self, fitted: Fitted, settings: ScorerSettings, device: str = "auto") -> None:
        self.fitted = fitted
        self.settings = settings
        self.method = find_method(settings.method, settings.calibrator)
        if not is_portable(self.method):
            raise expected(
                "the method of a scorer",
                "one that reads nothing but a question and its answer",
                f"`{self.method.name}`",
                "Run the main job, which writes a scorer for every method that can be one.",
            )
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device

    @classmethod
    def load(cls, path_or_repo: str | Path, device: str = "auto") -> "ConfidenceScorer":
        """Load a scorer from a folder that `save` wrote, or from a hub repository that holds one.

        Raises:
            UserError: there is no scorer there, or its files are broken.
        """
        stored = StoredScorer.load(path_or_repo)
        return cls(stored.fitted, stored.settings, device)

    def save(self, path: str | Path) -> None:
        """Write what the method has learnt and `scorer.json` into a folder; no weights of the LLM, no pickle."""
        StoredScorer(self.fitted, self.settings).save(path)

    def score(
        self, questions: Sequence[Question | Mapping[str, Any]], answers: Sequence[str] | None = None
    ) -> list[Confidence]:
        """Answer questions, or take answers as given, and say how probable it is that each is correct.

        Args:
            questions: as `Question` or as mappings with `text`, with `options` if they are multiple choice, and with
                `id` if wanted; of the format that the method was fitted on.
            answers: an answer per question (an option letter, or a text); without them the model answers.

        Returns:
            One confidence per question, in their order. Where the model answers with nothing there is no token to
            read: `p_correct` is NaN, as it is where the method has nothing to say.

        Raises:
            UserError: a question has no text, or options where there should be none or none where there should be
                some; an answer is empty, numbers do not fit, a prompt is longer than the context window, or the model
                is not the one the method was fitted on.
        """
        asked = [_question(item, index, self.settings.format) for index, item in enumerate(_listed(questions))]
        if not asked:
            return []
        if answers is not None:
            asked = _with_answers(asked, answers)
        collect = [name for name in self.method.reads() if NEEDS[name].is_collected]
        given = Interview(self._model, asked, self.settings.manner, collect).answer_all()  # type: ignore[arg-type]
        filled = [place for place, answer in enumerate(given) if answer.tokens]
        p_correct, is_truncated = dict[int, float](), dict[int, bool]()
        if filled:
            evidence = self._evidence([asked[place] for place in filled], [given[place] for place in filled])
            p_correct = dict(zip(filled, self.fitted.p_correct(evidence).tolist(), strict=True))
            is_truncated = dict(zip(filled, self._truncated(evidence), strict=True))
        return [
            Confidence(
                question.id,
                answer.text,
                p_correct.get(place, math.nan),
                self.method.label,
                is_cut=answer.is_cut,
                is_truncated=is_truncated.get(place, False),
            )
            for place, (question, answer) in enumerate(zip(asked, given, strict=True))
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

    def _evidence(self, questions: Sequence[Question], answers: Sequence[Answer]) -> Evidence:
        """What the method reads of answers of at least one token."""
        given = Given(self._model, self._head, questions, answers)
        lengths = np.array([len(answer.tokens) for answer in answers])
        # Nobody looks at the features of a method that does not read them.
        features = np.full((lengths.sum(), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
        if self.method.reads_features:
            features = stability_features(
                torch.cat([answer.states for answer in answers]).cpu(),
                self._head,
                torch.tensor([token for answer in answers for token in answer.tokens]),
                radius=self.settings.radius,
                steps=self.settings.steps,
                direction=self.method.direction,
            ).numpy()
        return Evidence(
            features,
            lengths,
            len(self._head.weight),
            [answer.text for answer in answers],
            {
                name: NEEDS[name].of_given(given)
                for name in sorted(self.method.reads())
                if self.settings.format in NEEDS[name].formats
            },
        )

    def _truncated(self, evidence: Evidence) -> list[bool]:
        """Of which answers the method reads only the first tokens."""
        answers = range(len(evidence.lengths))
        if not self.fitted.notes(evidence).get("truncated"):
            return [False for _ in answers]
        return [bool(self.fitted.notes(evidence.select(np.array([one]))).get("truncated")) for one in answers]


def _listed(questions: object) -> list[Any]:
    """Several questions; a single one, or a text, is none."""
    try:
        if isinstance(questions, str | bytes | Question) or hasattr(questions, "keys"):
            raise TypeError("one")
        return list(questions)  # type: ignore[call-overload, no-any-return]
    except TypeError:
        got = f"a {type(questions).__name__}"
        way_out = "Pass a list, also of a single question."
        raise expected("`questions`", "a list of questions", got, way_out) from None


def _question(item: Question | Mapping[str, Any], index: int, format: str) -> Question:
    if isinstance(item, Question):
        question = _with_texts(item, index)
    elif not hasattr(item, "keys"):
        raise expected(
            f"question {index}",
            "a `Question` or a mapping with `text`",
            f"a {type(item).__name__}",
            "Pass a list of questions.",
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
    if not seen(question.text):
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


def _with_texts(question: Question, index: int) -> Question:
    """A question made elsewhere, with texts in all of its fields; what they print is meant as it stands."""
    try:
        given = {
            name: as_text(value, f"`{name}`")
            for name in ("id", "text", "asked", "given_answer")
            if (value := getattr(question, name)) is not None or name in ("id", "text")
        }
    except ValueError as error:
        raise _misread(f"question {index}", error) from error
    options = _options({"options": question.options}, given["id"])
    return replace(question, options=options, **given)  # type: ignore[arg-type]


def _text(item: Mapping[str, Any], field: str, default: str, index: int) -> str:
    if field not in item:
        return default
    try:
        refuse_printed(item[field], f"`{field}`", "pass a `Question`")
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
    empty = [place for place, option in enumerate(options) if not seen(option)]
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
    empty = [question.id for question, answer in zip(questions, answers, strict=True) if not seen(answer)]
    if empty:
        raise expected(
            "every answer",
            "a text that is not empty",
            f"nothing for question {', '.join(map(repr, empty[:5]))}",
            "Leave these questions out.",
        )
    return [replace(question, given_answer=answer) for question, answer in zip(questions, answers, strict=True)]
