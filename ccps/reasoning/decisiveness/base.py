"""One interface for everything that says how decisive words are, and all there are by name."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from ccps.core.registry import Registry
from ccps.core.settings import Fault, check, unknown, unread
from ccps.faithful import Found, Mode
from ccps.grading.base import NOTHING_USED, Usage
from ccps.settings.faithful.decisiveness import DecisivenessConfig

NO_WORDS = "a step without words"

PlaceNames = tuple[str, str, str]
"""Names of a model, a dataset and a prompt condition."""


class StepText(NamedTuple):
    """A step whose words are to be judged."""

    trace_id: str
    """Of its trace."""
    step: int
    """Its place in it, from 0."""
    text: str
    """Its words."""


class StepDecisiveness(NamedTuple):
    """How decisive the words of a step are."""

    value: float
    """In [0, 1], higher being more decisive; NaN where missing."""
    reason: str = ""
    """Why it is missing."""
    markers: tuple[Found, ...] = ()
    """Hedges and words of certainty, in order, if the scorer goes by them."""


class Opening(NamedTuple):
    """What a scorer is made of.

    Attributes:
        config: its settings.
        cache: folder in which a judge keeps its replies; made when it is needed.
        mode: what is taken for a score.
        place: names of the model, dataset and prompt whose steps are scored; a file of scores may be for several.
    """

    config: DecisivenessConfig
    cache: Path
    mode: Mode
    place: PlaceNames | None = None


class DecisivenessScorer(ABC):
    """Says how decisive the words of steps are."""

    name: ClassVar[str]
    """In settings."""
    settings: ClassVar[frozenset[str]] = frozenset()
    """The fields of `DecisivenessConfig` that it reads."""

    @classmethod
    def faults(cls, config: DecisivenessConfig) -> Iterator[Fault]:
        """What of its settings does not go together."""
        yield from ()

    @classmethod
    def check_places(cls, config: DecisivenessConfig, places: int) -> None:
        """Look whether it can score the steps of so many runs, as most can.

        Raises:
            UserError: it cannot.
        """
        return

    @classmethod
    def inputs(cls, config: DecisivenessConfig, place: PlaceNames | None) -> dict[str, Any]:
        """Everything beside steps and mode that decides its scores.

        Raises:
            UserError: a file is not to be had.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, opening: Opening) -> "DecisivenessScorer":
        """Make it.

        Raises:
            UserError: a file is not to be had.
        """
        raise NotImplementedError

    @abstractmethod
    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        """Score steps, in their order."""

    @property
    def usage(self) -> Usage:
        """What the scores since construction have taken."""
        return NOTHING_USED

    def unused(self, steps: Iterable[tuple[str, int]]) -> int:
        """How many scores it was given that are for none of these steps, by trace and place."""
        return 0

    def close(self) -> None:  # noqa: B027 (most scorers hold nothing open)
        """Let go of files and connections; scoring again opens them anew."""


SCORERS: Registry[type[DecisivenessScorer]] = Registry("judge of words", "ccps.reasoning.decisiveness")
"""By name."""

S = TypeVar("S", bound=DecisivenessScorer)


def register(scorer: type[S]) -> type[S]:
    """Add a scorer to `SCORERS`; a class decorator.

    Raises:
        ValueError: there is one of this name.
    """
    SCORERS.register(scorer.name, scorer)
    return scorer


def decisiveness_faults(config: DecisivenessConfig) -> Iterator[Fault]:
    """What no scorer can be made of, below `faithful.decisiveness`."""
    if config.name not in SCORERS:
        yield unknown("scorer", config.name, "name", SCORERS)
        return
    scorer = SCORERS[config.name]
    yield from unread(config, scorer.settings)
    yield from scorer.faults(config)


def decisiveness_inputs(config: DecisivenessConfig, place: PlaceNames | None = None) -> dict[str, Any]:
    """Everything beside steps and mode that decides their scores, for the key of an artifact.

    Args:
        config: settings of the scorer.
        place: names of model, dataset and prompt, as `open_scorer` is given them.

    Raises:
        UserError: the file of `external` cannot be read.
    """
    return {"decisiveness": config.name, **SCORERS.find(config.name).inputs(config, place)}


def open_scorer(
    config: DecisivenessConfig, cache: Path, mode: Mode, place: PlaceNames | None = None
) -> DecisivenessScorer:
    """Make a scorer. Arguments as in `Opening`.

    Raises:
        UserError: naming every setting that is at fault, or the file that cannot be read.
    """
    check(config, "faithful.decisiveness", decisiveness_faults)
    return SCORERS[config.name].open(Opening(config, cache, mode, place))
