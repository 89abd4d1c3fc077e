"""A scorer inside lm-polygraph 0.7: a calculator of P(correct) and an estimator, found by the name of this module.

Its factories import the module that a configuration names and call `load_stat_calculator` and `load_estimator`. The
calculator reads the texts that lm-polygraph has put to the model and what the model wrote (`greedy_texts`); the
estimator is 1 − P(correct), as there a higher value means more uncertain.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from lm_polygraph.estimators.estimator import Estimator
from lm_polygraph.stat_calculators.stat_calculator import StatCalculator

from ccps.core.errors import expected
from ccps.data.records import Question
from ccps.scorer import ConfidenceScorer

P_CORRECT = "ccps_p_correct"
NAME = "CCPS"


class _Scorer(Protocol):
    def predict_proba(self, questions: Sequence[Question], answers: Sequence[str]) -> npt.NDArray[np.float64]:
        """P(correct) of each answer, `[n]`."""


class PCorrectCalculator(StatCalculator):  # type: ignore[misc]  # lm-polygraph has no types
    """P(correct) of what the model has written, by a scorer that was fitted for this model on open-ended questions.

    Args:
        scorer: what says it.
    """

    def __init__(self, scorer: _Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    @staticmethod
    def meta_info() -> tuple[list[str], list[str]]:
        """What it calculates, and what it needs."""
        return [P_CORRECT], ["greedy_texts"]

    def __call__(
        self, dependencies: Mapping[str, Any], texts: Sequence[str], model: Any, max_new_tokens: int = 100, **_: Any
    ) -> dict[str, npt.NDArray[np.float64]]:
        """P(correct) of each answer, `[texts]`; NaN where nothing was written.

        Each text is put to the scorer's model as the user's turn, word for word.
        """
        answers = [str(text).strip() for text in dependencies["greedy_texts"]]
        written = [place for place, answer in enumerate(answers) if answer]
        found = np.full(len(texts), math.nan)
        if written:
            questions = [_question(str(texts[place]), place) for place in written]
            found[written] = self.scorer.predict_proba(questions, [answers[place] for place in written])
        return {P_CORRECT: found}


class OneMinusPCorrect(Estimator):  # type: ignore[misc]
    """1 − P(correct) of the whole answer: in [0, 1], higher is more uncertain."""

    def __init__(self) -> None:
        super().__init__([P_CORRECT], "sequence")

    def __str__(self) -> str:
        return NAME

    def __call__(self, stats: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """The uncertainty of each answer, `[texts]`."""
        return 1 - np.asarray(stats[P_CORRECT], dtype=np.float64)


def load_estimator(config: Any) -> OneMinusPCorrect:
    """What lm-polygraph's factory of estimators calls; there is nothing to set."""
    return OneMinusPCorrect()


def load_stat_calculator(config: Any, environment: Any) -> PCorrectCalculator:
    """What its factory of calculators calls.

    Args:
        config: with `scorer`, a folder that `ConfidenceScorer.save` wrote, or a repository of the hub; with `location`,
            if the scorer is to load a model of its own from there.
        environment: its model, a `WhiteboxModel`, is the one that the scorer reads answers with.

    Raises:
        UserError: no scorer is named, there is none, or it is for multiple choice.
    """
    given = dict(config or {})
    if not given.get("scorer"):
        raise expected(
            "the configuration of the calculator",
            "one with `scorer`, a folder or repository",
            str(given),
            "Save a scorer and name its folder.",
        )
    scorer = ConfidenceScorer.load(given["scorer"], location=given.get("location"), **_handed(given, environment))
    if scorer.settings.format != "oe":
        raise expected(
            f"the scorer {given['scorer']}",
            "one of open-ended questions",
            "one of multiple choice, whose options lm-polygraph does not hand over",
            "Fit one on questions without options.",
        )
    return PCorrectCalculator(scorer)


def _handed(given: Mapping[str, Any], environment: Any) -> dict[str, Any]:
    """The model that lm-polygraph has loaded, to hold it once; none where another is named, or one behind an API."""
    whitebox = None if given.get("location") else getattr(environment, "model", None)
    model, tokenizer = getattr(whitebox, "model", None), getattr(whitebox, "tokenizer", None)
    return {} if model is None or tokenizer is None else {"model": model, "tokenizer": tokenizer}


def _question(text: str, place: int) -> Question:
    return Question(
        id=str(place), subject="", text=text, options=(), accepted=(), split="", source="lm_polygraph", asked=text
    )
