"""The scorer behind the server: answers questions, judges answers, and says what its confidence rests on."""

from collections.abc import Generator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from ccps.core.freed import give_back
from ccps.faithful import say as in_words
from ccps.metrics import Threshold
from ccps.scorer import Confidence, ConfidenceScorer, Reply, Token
from ccps.scorer.deciding import decided
from ccps.serve.batcher import Piece
from ccps.serve.replies import finite

Said = Confidence | Token | Reply
"""What is told of a question: the confidence in a given answer, or tokens and then the reply."""


class Ask(NamedTuple):
    """One question.

    Attributes:
        question: as a scorer reads it.
        answer: to judge; None to have the model answer.
        limit: most tokens of an answer; None for the scorer's own.
        is_told: whether every token is told as it is written.
    """

    question: dict[str, Any]
    answer: str | None = None
    limit: int | None = None
    is_told: bool = False

    @property
    def kind(self) -> tuple[bool, int | None]:
        """What is alike of those that are asked together."""
        return self.answer is None, self.limit


class Judge:
    """Any scorer, with the threshold at which its answers are given.

    Args:
        scorer: a fitted one.
        risk: largest share of wrong answers among those that are given.
        confidence: probability with which that holds.
    """

    def __init__(self, scorer: ConfidenceScorer, risk: float = 0.1, confidence: float = 0.9) -> None:
        self.scorer = scorer
        self.threshold: Threshold | None = None
        if scorer.learnt.held_out is not None:
            self.threshold = scorer.threshold(risk, confidence)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.scorer.settings.model_name

    def judge(self, asked: Sequence[Ask]) -> Generator[list[Piece[Said]]]:
        """Answer and judge questions of one kind together: in one go those with answers, others token by token."""
        questions = [one.question for one in asked]
        try:
            if asked[0].answer is not None:
                found = self.scorer.score(questions, [one.answer for one in asked])
                yield [Piece(place, one, is_last=True) for place, one in enumerate(found)]
                return
            told = {place for place, one in enumerate(asked) if one.is_told}
            for step in self.scorer.generate_together(questions, told, max_new_tokens=asked[0].limit):
                yield [Piece(place, what, is_last=isinstance(what, Reply)) for place, what in step]
        finally:
            give_back()  # batches are never of one size, and what a large one leaves is in the way of the next

    def confidence(self, found: Confidence | Reply, *, say: bool = False) -> dict[str, Any]:
        """What stands on a choice under `confidence`; `abstain` is null where nothing says when to."""
        p, settings = finite(found.p_correct), self.scorer.settings
        one = found if isinstance(found, Confidence) else Confidence("", found.text, found.p_correct, found.source)
        abstain = None if self.threshold is None else decided(one, self.threshold).abstain
        said = {"said": in_words(p)} if say and p is not None else {}
        return {
            "p_correct": p,
            "method": settings.method,
            "model": settings.model_name,
            "fingerprint": settings.fingerprint,
            "calibrated_on": self.calibrated_on,
            "abstain": abstain,
            **said,
        }

    @property
    def calibrated_on(self) -> str:
        """What the confidence was fitted to, as far as the scorer knows."""
        learnt = self.scorer.learnt
        if learnt.shift is not None and learnt.held_out is not None:
            return f"{len(learnt.held_out.correct)} labelled answers of the target"
        if learnt.summary is None:
            return "the training answers of the run that made it"
        data = f" ({learnt.summary.data})" if learnt.summary.data else ""
        return f"{learnt.summary.n} labelled answers{data}"

    def described(self) -> dict[str, Any]:
        """What the server is, for `/health`."""
        threshold = None if self.threshold is None else _plain(asdict(self.threshold))
        settings = self.scorer.settings
        return {
            "status": "ok",
            "model": settings.model_name,
            "fingerprint": settings.fingerprint,
            "method": settings.method,
            "format": settings.format,
            "calibrated_on": self.calibrated_on,
            "threshold": threshold,
        }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: finite(value) if isinstance(value, float) else value for name, value in values.items()}
