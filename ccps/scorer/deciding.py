"""Answering or abstaining at a risk that is promised, and moving to other questions, by answers that are labelled."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ccps.calibrators import LogitMap, fit_calibrator
from ccps.core.console import say as tell
from ccps.core.errors import UserError, expected
from ccps.methods.evidence import FloatArray
from ccps.metrics import Threshold, choose_threshold
from ccps.scorer.answering import AnsweringScorer, Questions
from ccps.scorer.answers import grade, labels_of
from ccps.scorer.held_out import TARGET, HeldOut
from ccps.scorer.records import Confidence, Decision, Moved


class DecidingScorer(AnsweringScorer):
    """A scorer that abstains where its confidence is too low for the risk that may be taken."""

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
