"""The front door for practitioners: a calibrated confidence with each answer of a model of one's own."""

import math
import tempfile
from collections.abc import Collection, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import numpy.typing as npt

from ccps.asking.interview import Manner
from ccps.calibrators import LogitMap, fit_calibrator
from ccps.core.console import say as tell
from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.methods import Fitted, Method, TrainedMethod
from ccps.methods.evidence import FloatArray
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer, scorer_folder
from ccps.metrics import Threshold, choose_threshold
from ccps.scorer import hub
from ccps.scorer.answers import grade, labels_of, with_answers
from ccps.scorer.fitting import AUTO, candidates
from ccps.scorer.generating import Pieces, replies
from ccps.scorer.held_out import TARGET, HeldOut
from ccps.scorer.learning import learn
from ccps.scorer.learnt import Learnt
from ccps.scorer.questions import Asked, as_asked
from ccps.scorer.reading import Heard, hear
from ccps.scorer.records import Confidence, Decision, Moved, Reply, Token
from ccps.scorer.source import Source
from ccps.scorer.summary import Summary
from ccps.settings.model import ModelConfig

Questions = Any
"""Texts, mappings, conversations, `Question` records; in a list, a table, a data set or a file: see `as_asked`."""


class ConfidenceScorer:
    """Says how probable it is that a language model's answers are right.

    >>> from ccps import ConfidenceScorer
    >>> scorer = ConfidenceScorer(model, tokenizer)  # doctest: +SKIP
    >>> scorer.fit(questions, correct=right_answers)  # doctest: +SKIP
    >>> scorer.predict_proba(["Which river runs through Cologne?"])  # doctest: +SKIP
    array([0.83])

    The model is read and never changed: no weight, no dtype, no mode, no setting of generation, no hook. A scorer may
    be used by several threads; the model is read by one at a time.

    Args:
        model: a causal language model of transformers, a pipeline, a folder, a GGUF file, a hub id, the name of an
            asset, or settings as in `conf/model`.
        tokenizer: the model's own, for a model that is loaded already.
        device: where a model goes that is loaded here: `auto`, `cpu`, `cuda`, …. One that is loaded stays where it is.
        dtype: in which such a model is held; by default that of its files.
        manner: how questions are put; by default options are chosen among by their letters, and an open-ended answer
            is cut off after 30 tokens.

    Raises:
        UserError: it is no causal language model, its tokenizer is missing or another's, or its head is not linear.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        device: str = "auto",
        dtype: str | None = None,
        manner: Manner | None = None,
    ) -> None:
        if isinstance(model, str | Path | ModelConfig):
            self._source = Source.named(model, device, dtype)
        else:
            self._source = Source.handed(model, tokenizer)
        self._manner = manner
        self._learnt: Learnt | None = None

    @classmethod
    def of(
        cls,
        learnt: Learnt | StoredScorer,
        model: Any = None,
        location: str | Path | None = None,
        device: str = "auto",
        *,
        tokenizer: Any = None,
    ) -> Self:
        """A scorer of what has been learnt already, with the model that it was learnt of; as `load`, without a folder.

        Raises:
            UserError: the method takes more than one pass over question and answer, or the model is another.
        """
        scorer = cls.__new__(cls)
        scorer._learnt = learnt if isinstance(learnt, Learnt) else Learnt(learnt)
        scorer._learnt.check_portable()
        settings = scorer._learnt.stored.settings
        scorer._manner = settings.manner
        if isinstance(model, str | Path):
            model, location = None, model
        if model is not None and not isinstance(model, ModelConfig):
            scorer._source = Source.handed(model, tokenizer, settings.fingerprint)
        else:
            config = settings.model if model is None else model
            scorer._source = Source.again(settings.model_name, config, location, device, settings.fingerprint)
        return scorer

    @classmethod
    def load(
        cls,
        path_or_repo: str | Path,
        model: Any = None,
        location: str | Path | None = None,
        device: str = "auto",
        *,
        tokenizer: Any = None,
    ) -> Self:
        """Load a scorer from a folder that `save` wrote, or from a hub repository that holds one.

        The language model is not among its files. It is handed over, named, or looked for where it was; in each case
        it must be the one that the scorer was fitted on.

        Args:
            path_or_repo: the folder, or a hub id.
            model: the language model, if it is loaded already.
            location: where it lies, if it has moved: a folder, a GGUF file, an asset, or a hub id.
            device: where it is put if it is loaded here.
            tokenizer: that of a loaded model.

        Raises:
            UserError: there is no scorer there, its files are broken, or the model that is handed over is another. One
                that is loaded here is compared when it is first asked.
        """
        return cls.of(Learnt.load(scorer_folder(path_or_repo)), model, location, device, tokenizer=tokenizer)

    @property
    def learnt(self) -> Learnt:
        """What was learnt, and is known of it.

        Raises:
            UserError: nothing has been yet.
        """
        if self._learnt is None:
            way_out = "Call `fit` with answered questions, or `ConfidenceScorer.load` one that was saved."
            raise expected("this scorer", "fitted", "one that has learnt nothing yet", way_out)
        return self._learnt

    @property
    def settings(self) -> ScorerSettings:
        """Which method it is, the model it belongs to, and how that is asked and perturbed."""
        return self.learnt.stored.settings

    @property
    def fitted(self) -> Fitted:
        """What the method has learnt."""
        return self.learnt.stored.fitted

    @property
    def source(self) -> Source:
        """The language model, which is read by whoever holds it."""
        return self._source

    @property
    def method(self) -> Method | TrainedMethod:
        """The method, with its calibrator."""
        return self.learnt.method

    @property
    def summary(self) -> Summary | None:
        """What `fit` has shown; None for a scorer that was saved without it, as the main job does."""
        return self.learnt.summary

    def fit(
        self,
        questions: Questions,
        answers: Any = None,
        correct: Any = None,
        *,
        method: str = AUTO,
        calibrator: str | None = None,
        data: str = "",
    ) -> Self:
        """Learn from answered questions how probable it is that another answer of this model is right.

        Each question is read once, whatever is compared. The candidates are fitted without each of five parts of the
        questions and say of that part what they think; the one with the smallest Brier score is taken, fitted to all.
        What this has shown is `summary`.

        Args:
            questions: all multiple choice, or all open-ended: see `ccps.scorer.questions.as_asked`.
            answers: the model's answers; without them it is asked. A list, or the name of a column.
            correct: whether the answers are right (1, 0, true, false), or what is accepted: a letter or an option's
                text, or for open-ended questions a text or a list of texts. A list, or the name of a column; without
                it what the questions have as `accepted`.
            method: `auto`, or the name of one.
            calibrator: on top of it: `platt`, `temperature`, `isotonic` or `intercept`.
            data: what to say of the data in the model card: name, source, licence.

        Returns:
            The scorer itself.

        Raises:
            UserError: questions, answers or labels are not such; the answers are all right or all wrong; or no method
                learns anything from so few.
        """
        asked = as_asked(questions)
        if not asked:
            raise expected("`questions`", "some", "none", "Pass the questions to fit to.")
        if answers is not None:
            asked = with_answers(asked, answers)
        asked, labels = labels_of(asked, correct)
        configs = candidates(method, asked[0].question.format, calibrator)
        self._learnt = learn(self._source, asked, labels, configs, self._manner, data)
        assert self._learnt.summary is not None
        for warning in self._learnt.summary.warnings:
            tell("scorer", self.method.label, warning, state="note")
        return self

    def predict_proba(self, questions: Questions, answers: Any = None) -> FloatArray:
        """P(correct) of the model's answers, or of answers that are given: `[questions]` in [0, 1].

        NaN where the model answers with nothing. Arguments and errors as of `score`.
        """
        return np.array([one.p_correct for one in self.score(questions, answers)], dtype=np.float64)

    def score(
        self, questions: Questions, answers: Any = None, *, max_new_tokens: int | None = None
    ) -> list[Confidence]:
        """Answer questions, or take answers as given, and say how probable it is that each is correct.

        Args:
            questions: of the format that the method was fitted on, see `ccps.scorer.questions.as_asked`.
            answers: an answer per question (an option's letter or text, or for open-ended questions any text), or the
                name of a column that holds them; without them the model answers.
            max_new_tokens: most tokens of an answer that the model writes; by default as many as when it was fitted.

        Returns:
            One confidence per question, in their order. Where the model answers with nothing there is no token to
            read: `p_correct` is NaN, as it is where the method has nothing to say.

        Raises:
            UserError: a question has no text, or options where there should be none or none where there should be
                some; an answer is empty or none of the options, numbers do not fit, a prompt is longer than the context
                window, or the model is not the one the method was fitted on.
        """
        asked = self._asked(questions, answers)
        if not asked:
            return []
        heard, learnt = self._heard(asked, max_new_tokens), self.learnt
        p, truncated = learnt.shifted(learnt.p_correct(heard)), learnt.truncated(heard)
        return [
            Confidence(one.question.id, answer.text, value, learnt.method.label, answer.is_cut, place in truncated)
            for place, (one, answer, value) in enumerate(zip(asked, heard.answers, p.tolist(), strict=True))
        ]

    def decide(
        self, questions: Questions, risk: float = 0.1, confidence: float = 0.9, answers: Any = None
    ) -> list[Decision]:
        """Answer or abstain, so that at most a share `risk` of what is answered is wrong.

        The threshold comes from answers that are known to be right or wrong: those that `certify` or `recalibrate` was
        given, or else what the method said out of fold of those it was fitted to. Where nothing can be certified it
        abstains from all.

        Args:
            questions: as for `score`.
            risk: largest share of wrong answers among those that are given.
            confidence: probability with which that holds.
            answers: as for `score`.

        Raises:
            UserError: there are no such labels, or as for `score`.
        """
        found = self.threshold(risk, confidence)
        tell("decide", self.method.label, found.reason, state="certified" if found.certified else "abstains from all")
        return [decided(one, found) for one in self.score(questions, answers)]

    def threshold(self, risk: float = 0.1, confidence: float = 0.9) -> Threshold:
        """The lowest P(correct) at which to answer, see `ccps.metrics.choose_threshold`.

        Raises:
            UserError: there are no labels, or a number is not between 0 and 1.
        """
        held_out = self.learnt.held_out
        if held_out is None:
            way_out = "Call `certify(questions, correct)` with labelled questions that fitted nothing."
            raise expected("this scorer", "one that knows labelled answers", "none", way_out)
        try:
            return choose_threshold(self.learnt.shifted(held_out.p_correct), held_out.correct, risk, confidence)
        except ValueError as error:
            raise UserError(str(error)) from error

    def certify(self, questions: Questions, correct: Any, answers: Any = None) -> int:
        """Take labelled questions of where answers will be given as what `decide` certifies its thresholds on.

        They must have fitted nothing, and be drawn as later ones will be. Nothing is fitted to them here either.

        Args:
            questions: as for `score`.
            correct: as for `fit`.
            answers: as for `score`.

        Returns:
            How many answers count.
        """
        p, labels = self._labelled(questions, correct, answers)
        self._learnt = self.learnt._replace(held_out=HeldOut(p, labels, TARGET))
        return len(p)

    def recalibrate(self, questions: Questions, correct: Any, answers: Any = None) -> Moved:
        """Move all confidences to the base rate of other questions, by one number that a few labels say.

        The number is added to the log-odds; what the method has learnt stays as it is, and so does the order of the
        answers. Because of that, `decide` may certify its thresholds on the same labels.

        Args:
            questions: labelled ones of the new kind; one is enough.
            correct: as for `fit`.
            answers: as for `score`.

        Returns:
            How many labels there were, and what they have moved.
        """
        p, labels = self._labelled(questions, correct, answers)
        shift = fit_calibrator("intercept", p, labels)
        assert isinstance(shift.map, LogitMap)
        self._learnt = self.learnt._replace(shift=shift, held_out=HeldOut(p, labels, TARGET))
        means = float(p.mean()), float(shift.predict(p).mean())
        moved = Moved(len(p), int(labels.sum()), shift.map.intercept, *means)
        tell("scorer", self.method.label, str(moved), state="recalibrated")
        return moved

    @overload
    def generate(
        self, prompt: Any, stream: Literal[False] = False, say: bool = False, *, max_new_tokens: int | None = None
    ) -> Reply: ...

    @overload
    def generate(
        self, prompt: Any, stream: Literal[True], say: bool = False, *, max_new_tokens: int | None = None
    ) -> Generator[Token | Reply]: ...

    def generate(
        self, prompt: Any, stream: bool = False, say: bool = False, *, max_new_tokens: int | None = None
    ) -> Reply | Generator[Token | Reply]:
        """Answer one question, with how steady each token is and how probable it is that the whole is right.

        Text and confidence come from one pass: nothing is read twice.

        Args:
            prompt: a question as for `score`: a text, a mapping, or a conversation.
            stream: whether to give every `Token` as soon as it is written, and then the `Reply`.
            say: whether the reply says its confidence in words, see `ccps.faithful.say`.
            max_new_tokens: most tokens of the answer; by default as many as when the scorer was fitted.
        """
        asked = as_asked([prompt], self.settings.format)
        steps = replies(self._source, self.learnt, asked, self._manner_of(max_new_tokens), {0}, say=say)
        pieces = (piece for step in steps for _, piece in step)
        if stream:
            return pieces
        *_, reply = pieces
        assert isinstance(reply, Reply)
        return reply

    def generate_together(
        self, prompts: Questions, told: Collection[int] = (), *, max_new_tokens: int | None = None
    ) -> Generator[Pieces]:
        """Answer questions in one batch, as they are written: what a server does for those who come together.

        Args:
            prompts: questions as for `score`.
            told: places of those of which every `Token` is given as soon as it is written.
            max_new_tokens: as for `generate`.

        Yields:
            After each step what it has brought: places of questions, each with a `Token` or, as the last of a question,
            its `Reply`.
        """
        asked = as_asked(prompts, self.settings.format)
        return replies(self._source, self.learnt, asked, self._manner_of(max_new_tokens), told)

    def open(self) -> Self:
        """Load the model now, and not when it is first asked.

        Raises:
            UserError: it is not there, or not the one that the scorer was fitted on.
        """
        self._source.opened()
        return self

    def save(self, path: str | Path, *, licence: str | None = None) -> None:
        """Write what was learnt, labels, summary and a model card into a folder.

        The files are JSON, safetensors and `README.md`: no weights of the language model, no pickle. Where that model
        lies is written as the way there from the folder.

        Args:
            path: the folder; made if need be.
            licence: of the scorer, for the card.
        """
        self.learnt.save(local_path(path), licence)

    def push_to_hub(self, repo: str, *, licence: str | None = None, private: bool | None = None) -> str:
        """Write the scorer into a repository of the hub, made if need be.

        Args:
            repo: its id, `name/scorer`.
            licence: of the scorer, for the card.
            private: whether a new repository is private; None for what is usual there.

        Returns:
            Where it is.

        Raises:
            UserError: the hub cannot be reached, or refuses.
        """
        settings = replace(self.settings, model=hub.without_folder(self.settings.model))
        learnt = self.learnt._replace(stored=self.learnt.stored._replace(settings=settings))
        with tempfile.TemporaryDirectory() as folder:
            learnt.save(Path(folder), licence, place=False)
            return hub.upload(Path(folder), repo, private)

    def _asked(self, questions: Questions, answers: Any) -> list[Asked]:
        asked = as_asked(questions, self.settings.format)
        return asked if answers is None else with_answers(asked, answers)

    def _heard(self, asked: list[Asked], max_new_tokens: int | None = None) -> Heard:
        return hear(self._source, asked, self._manner_of(max_new_tokens), self.learnt.reads)

    def _manner_of(self, max_new_tokens: int | None) -> Manner:
        manner = self.settings.manner
        return manner if max_new_tokens is None else replace(manner, max_new_tokens=max_new_tokens)

    def _labelled(self, questions: Questions, correct: Any, answers: Any) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """P(correct) as it was fitted, and whether it is, of the answers of which both are known."""
        asked, labels = labels_of(self._asked(questions, answers), correct)
        if not asked:
            raise expected("`questions`", "some", "none", "Pass questions that are labelled.")
        heard = self._heard(asked)
        if labels is None:
            labels = grade([one.question for one in asked], [one.text for one in heard.answers])
        p = self.learnt.p_correct(heard)
        known = np.isfinite(p) & np.isfinite(labels)
        if not known.any():
            raise expected("the labels", "known for some answers", "none", "Label some that are not empty.")
        if missing := int((~known).sum()):
            told = f"{missing} of {len(p)} answers have no label or no token"
            tell("scorer", self.method.label, told, state="left out")
        return p[known], labels[known] == 1


def decided(one: Confidence, found: Threshold) -> Decision:
    """Whether to give an answer at a threshold, and why.

    Example:
        >>> found = choose_threshold([0.9] * 60, [True] * 60, risk=0.1)
        >>> decided(Confidence("q", "b", 0.8), found).why
        'P(correct) is 0.8, below the certified threshold of 0.9.'
    """
    if found.threshold is None:
        why, abstain = found.reason, True
    elif math.isnan(one.p_correct):
        why, abstain = "There is no confidence in this answer.", True
    else:
        abstain = one.p_correct < found.threshold
        side = "below" if abstain else "at least"
        why = f"P(correct) is {one.p_correct:.3g}, {side} the certified threshold of {found.threshold:.3g}."
    return Decision(one.question_id, one.answer, one.p_correct, abstain, why)
