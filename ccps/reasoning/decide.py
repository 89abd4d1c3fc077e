"""How decisive the words of steps are: a lexicon, a language model, or scores made elsewhere."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from ccps.core.settings import check
from ccps.faithful import Found, Mode, decisiveness
from ccps.faithful.lexicon import Aggregate
from ccps.faithful.markers import VERSION as LEXICON_VERSION
from ccps.grading.asker import ChatAsker, asked_of, content_key
from ccps.grading.base import NOTHING_USED, Usage
from ccps.reasoning.external_scores import Place, file_hash, read_external
from ccps.reasoning.judge_prompt import RATING_VERSION, rating_chat, read_ratings
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.settings.grading import JudgeConfig

__all__ = [
    "DecisivenessConfig",
    "ExternalScorer",
    "JudgeScorer",
    "LexiconScorer",
    "Scorer",
    "StepDecisiveness",
    "StepText",
    "decisiveness_inputs",
    "open_scorer",
]

NO_WORDS = "a step without words"
UNREADABLE = "no score in the judge's reply"
NOT_GIVEN = "no score in the file"


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


class Scorer(ABC):
    """Says how decisive the words of steps are."""

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


def decisiveness_inputs(config: DecisivenessConfig, place: Place | None = None) -> dict[str, Any]:
    """Everything beside steps and mode that decides their scores, for the key of an artifact.

    Args:
        config: settings of the scorer.
        place: names of model, dataset and prompt, as `open_scorer` is given them.

    Raises:
        UserError: the file of `external` cannot be read.
    """
    if config.name == "lexicon":
        own: dict[str, Any] = {
            "version": LEXICON_VERSION,
            "aggregate": config.aggregate,
            "published_norms_only": config.published_norms_only,
        }
    elif config.name == "external":
        own = {"content": file_hash(config.path or ""), "place": place and list(place)}
    else:
        own = {
            **asked_of(config.judge or JudgeConfig(), config.top_p),
            "version": RATING_VERSION,
            "batch_size": config.batch_size,
            "order": config.seed if config.shuffle else None,
        }
    return {"decisiveness": config.name, **own}


def open_scorer(config: DecisivenessConfig, cache: Path, mode: Mode, place: Place | None = None) -> Scorer:
    """Make a scorer.

    Args:
        config: its settings.
        cache: folder in which a judge keeps its replies; made when it is needed.
        mode: what is taken for a score, see `JudgeScorer` and `ExternalScorer`.
        place: names of the model, dataset and prompt whose steps are scored; a file of scores may be for several.

    Raises:
        UserError: naming every setting that is at fault, or the file that cannot be read.
    """
    check(config, "faithful.decisiveness")
    if config.name == "lexicon":
        return LexiconScorer(cast(Aggregate, config.aggregate), deliberation=not config.published_norms_only)
    if config.name == "external":
        return ExternalScorer(config.path or "", mode, place)
    return JudgeScorer(config, cache, mode)


class LexiconScorer(Scorer):
    """Goes by hedges and words of certainty, see `ccps.faithful.decisiveness`."""

    def __init__(self, aggregate: Aggregate = "mean", *, deliberation: bool = False) -> None:
        self.aggregate: Aggregate = aggregate
        self.deliberation = deliberation

    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        """Score steps, each by itself; a text without a word has no score."""
        return [self._score(step.text) for step in steps]

    def _score(self, text: str) -> StepDecisiveness:
        found = decisiveness(text, aggregate=self.aggregate, deliberation=self.deliberation)
        markers = tuple(marker for sentence in found.sentences for marker in sentence.markers)
        return StepDecisiveness(found.score, NO_WORDS if math.isnan(found.score) else "", markers)


class ExternalScorer(Scorer):
    """Looks scores up in a file, see `read_external`.

    Args:
        path: the file.
        mode: what may stand in it.
        place: names of model, dataset and prompt; of a file that names places the rows of this one count.

    Raises:
        UserError: the file cannot be read, or holds what is no score.
    """

    def __init__(self, path: Path | str, mode: Mode, place: Place | None = None) -> None:
        self._scores = read_external(path, mode=mode, place=place)

    def unused(self, steps: Iterable[tuple[str, int]]) -> int:
        """How many rows of the file, of this place, are for none of these steps."""
        return len(self._scores.keys() - set(steps))

    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        """Look steps up by trace and place; their words do not matter."""
        values = [self._scores.get((step.trace_id, step.step), math.nan) for step in steps]
        return [StepDecisiveness(value, NOT_GIVEN if math.isnan(value) else "") for value in values]


class JudgeScorer(Scorer):
    """Asks a language model about some steps at a time; it sees their words alone.

    In `strict` mode equal texts are asked about once, in an order of their own if so set; a reply that is not one score
    for each text is thrown away and the halves of the batch are asked about, down to single texts, of which a score may
    then be missing. `parity` asks about all steps in their order and takes what a reply gives, see `read_ratings`.

    A reply is kept by the whole of what was asked, so that a run that was broken off gives what an unbroken one does.

    Args:
        config: with a judge.
        cache: folder in which replies are kept.
        mode: see above.
    """

    def __init__(self, config: DecisivenessConfig, cache: Path, mode: Mode) -> None:
        self.config = config
        self.mode: Mode = mode
        self._asker = ChatAsker(config.judge or JudgeConfig(), cache, config.top_p)

    @property
    def usage(self) -> Usage:
        """Replies, and tokens of all replies that were used since construction."""
        return self._asker.usage

    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        """Score steps; a text without a word has no score unasked.

        Raises:
            UserError: no key; an endpoint that does not answer (what it has answered is kept); a cache that cannot be
                used.
        """
        texts = [" ".join(step.text.split()) for step in steps]
        asked = [text for text in texts if text]
        if self.mode == "parity":
            found = iter(self._ask_in_order(asked))
            values = [next(found) if text else math.nan for text in texts]
        else:
            known = self._ask_each_once(asked)
            values = [known.get(text, math.nan) for text in texts]
        return [_judged(value, text) for value, text in zip(values, texts, strict=True)]

    def close(self) -> None:
        """Drop what is not yet asked, and the connections."""
        self._asker.close()

    def _ask_each_once(self, texts: Sequence[str]) -> dict[str, float]:
        """Scores by text; a batch whose reply cannot be taken is asked about again in halves."""
        distinct = list(dict.fromkeys(texts))
        if self.config.shuffle:
            distinct.sort(key=lambda text: content_key([self.config.seed, text]))
        scores: dict[str, float] = {}
        batches = self._batches(distinct)
        while batches:
            replies = self._asker.ask([rating_chat(batch) for batch in batches])
            halves: list[Sequence[str]] = []
            for batch, reply in zip(batches, replies, strict=True):
                found = read_ratings(reply, len(batch))
                if found is not None:
                    scores |= zip(batch, found, strict=True)
                elif len(batch) > 1:
                    middle = (len(batch) + 1) // 2
                    halves += [batch[:middle], batch[middle:]]
            batches = halves
        return scores

    def _ask_in_order(self, texts: Sequence[str]) -> list[float]:
        batches = self._batches(texts)
        replies = self._asker.ask([rating_chat(batch) for batch in batches])
        read = [read_ratings(reply, len(batch), mode="parity") for batch, reply in zip(batches, replies, strict=True)]
        return [score for scores in read for score in scores or []]

    def _batches(self, texts: Sequence[str]) -> list[Sequence[str]]:
        size = self.config.batch_size
        return [texts[start : start + size] for start in range(0, len(texts), size)]


def _judged(value: float, text: str) -> StepDecisiveness:
    if not math.isnan(value):
        return StepDecisiveness(value)
    return StepDecisiveness(math.nan, UNREADABLE if text else NO_WORDS)
