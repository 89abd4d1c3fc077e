"""What a scorer that has learnt says: a confidence with each answer, given or written."""

from collections.abc import Collection, Generator
from dataclasses import replace
from typing import Any, Literal, Self, overload

import numpy as np

from ccps.asking.interview import Manner
from ccps.core.errors import expected
from ccps.methods import Fitted, Method, TrainedMethod
from ccps.methods.evidence import FloatArray
from ccps.methods.stored_scorer import ScorerSettings
from ccps.scorer.answers import with_answers
from ccps.scorer.asked import Asked
from ccps.scorer.generating import Pieces, replies
from ccps.scorer.learnt import Learnt
from ccps.scorer.questions import as_asked
from ccps.scorer.reading import Heard, hear
from ccps.scorer.records import Confidence, Reply, Token
from ccps.scorer.source import Source
from ccps.scorer.summary import Summary

Questions = Any
"""Texts, mappings, conversations, `Question` records; in a list, a table, a data set or a file: see `as_asked`."""


class AnsweringScorer:
    """A language model, what has been learnt of it, and answers of it with a confidence."""

    _source: Source
    _manner: Manner | None
    _learnt: Learnt | None

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

    def _asked(self, questions: Questions, answers: Any) -> list[Asked]:
        asked = as_asked(questions, self.settings.format)
        return asked if answers is None else with_answers(asked, answers)

    def _heard(self, asked: list[Asked], max_new_tokens: int | None = None) -> Heard:
        return hear(self._source, asked, self._manner_of(max_new_tokens), self.learnt.reads)

    def _manner_of(self, max_new_tokens: int | None) -> Manner:
        manner = self.settings.manner
        return manner if max_new_tokens is None else replace(manner, max_new_tokens=max_new_tokens)
