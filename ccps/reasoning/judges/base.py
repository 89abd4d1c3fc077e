"""One interface for everything that says whether a continuation agrees with a step, and all there are by name."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch

from ccps.core.registry import Registry
from ccps.core.settings import Fault, check, unknown, unread
from ccps.faithful import Mode
from ccps.grading.base import NOTHING_USED, Usage
from ccps.llm import LanguageModel, ModelFiles
from ccps.settings.faithful.judge import JudgeChoice

EMPTY = "an empty continuation"
TOO_LONG = "longer than the judge can read"


class Pair(NamedTuple):
    """What is compared."""

    context: str
    """The first paragraph of a continuation, or its first sentence where steps are sentences."""
    assertion: str
    """The step, whole."""


class StepVerdict(NamedTuple):
    """What a judge says of a pair."""

    inconsistency: float
    """From 0, they agree, to 1, they do not; NaN where missing."""
    reply: str = ""
    """What the judge said, word for word, or the number that it found; empty for scores."""
    reason: str = ""
    """Why it is missing."""


class Opening(NamedTuple):
    """What a judge is made of.

    Attributes:
        choice: its settings.
        cache: folder in which replies of an endpoint are kept; made when it is needed.
        mode: see `ConsistencyJudge` and `verdict_inconsistency`.
        device: where a model is put.
        under_study: the model under study; needed if `choice.is_model_under_study`.
    """

    choice: JudgeChoice
    cache: Path
    mode: Mode
    device: torch.device | str = "cpu"
    under_study: LanguageModel | None = None


class ConsistencyJudge(ABC):
    """Tells how far texts agree.

    Args:
        mode: in `strict` an empty continuation is missing; in `parity` it is judged like any other text.
    """

    name: ClassVar[str]
    """In settings."""
    in_words: ClassVar[str]
    """What it goes by, for readers."""
    settings: ClassVar[frozenset[str]] = frozenset()
    """The fields of `JudgeChoice` that it reads."""

    def __init__(self, mode: Mode = "strict") -> None:
        self.mode: Mode = mode

    @classmethod
    def faults(cls, choice: JudgeChoice) -> Iterator[Fault]:
        """What of its settings does not go together."""
        yield from ()

    @classmethod
    def inputs(cls, choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
        """Everything beside texts and mode that decides its verdicts.

        Raises:
            UserError: a model is not to be had.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, opening: Opening) -> "ConsistencyJudge":
        """Make it; a model of its own is loaded.

        Raises:
            UserError: a model is not to be had.
        """
        raise NotImplementedError

    def judge(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Judge pairs, in their order; equal ones once."""
        judged = [pair for pair in dict.fromkeys(pairs) if self.mode == "parity" or pair.context.strip()]
        found = dict(zip(judged, self.judge_distinct(judged) if judged else [], strict=True))
        return [found.get(pair, StepVerdict(math.nan, reason=EMPTY)) for pair in pairs]

    @abstractmethod
    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Judge different pairs, at least one."""

    @property
    def usage(self) -> Usage:
        """What the verdicts since construction have taken of an endpoint."""
        return NOTHING_USED

    def close(self) -> None:  # noqa: B027 (most judges hold nothing open)
        """Let go of files and connections; judging again opens them anew."""


JUDGES: Registry[type[ConsistencyJudge]] = Registry("judge of continuations", "ccps.reasoning.judges")
"""By name."""

J = TypeVar("J", bound=ConsistencyJudge)


def register(judge: type[J]) -> type[J]:
    """Add a judge to `JUDGES`; a class decorator.

    Raises:
        ValueError: there is one of this name.
    """
    JUDGES.register(judge.name, judge)
    return judge


def judge_faults(choice: JudgeChoice) -> Iterator[Fault]:
    """What no judge can be made of, below `faithful.judge`."""
    if choice.name not in JUDGES:
        yield unknown("judge", choice.name, "name", JUDGES)
        return
    judge = JUDGES[choice.name]
    yield from unread(choice, judge.settings)
    yield from judge.faults(choice)


def judge_inputs(choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
    """Everything beside texts and mode that decides verdicts, for the key of an artifact.

    Args:
        choice: without faults.
        under_study: the model under study; None if it is not at hand, and does not judge.

    Raises:
        UserError: a model is not to be had.
    """
    return {"judge": choice.name, **JUDGES.find(choice.name).inputs(choice, under_study)}


def open_judge(
    choice: JudgeChoice,
    cache: Path,
    mode: Mode,
    device: torch.device | str = "cpu",
    under_study: LanguageModel | None = None,
) -> ConsistencyJudge:
    """Make a judge; a model of its own is loaded. Arguments as in `Opening`.

    Raises:
        UserError: naming every setting that is at fault, or the model that is not to be had.
        ValueError: the model under study is to judge itself and is not given.
    """
    check(choice, "faithful.judge", judge_faults)
    return JUDGES[choice.name].open(Opening(choice, cache, mode, device, under_study))
