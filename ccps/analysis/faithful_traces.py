"""Reasoning traces as readable text: each step with its hedges and certainty words marked, and its scores beside it.

The text was written by a language model and may hold anything: characters that would break a page or turn its text
round are shown as U+FFFD.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from ccps.analysis.faithful_control import main_estimator
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.analysis.faithful_terms import label_of
from ccps.core.text import excerpt
from ccps.faithful import decisiveness
from ccps.faithful.deliberation import Deliberation
from ccps.faithful.markers import QUESTION

_TRACES, _TRACES_OF_MANY, _MANY_CELLS = 10, 3, 3
_LONGEST_STEP = 2000
_ALTERNATIVES = 6
# Control characters, marks that change the direction of text, and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Piece(NamedTuple):
    """A run of text in which nothing changes."""

    text: str
    kind: str
    """`hedge`, `booster` or empty."""
    score: float
    """What the marker says on the scale of the lexicon; NaN for plain text."""
    question: bool
    """Whether its sentence is scored as a question."""


class Bar(NamedTuple):
    """A score of a step."""

    label: str
    value: float
    """In [0, 1]; NaN if missing."""

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def width(self) -> str:
        """Its length in percent; parity mode may give more than 1."""
        return f"{100 * min(max(self.value, 0.0), 1.0):.1f}"


class Alternative(NamedTuple):
    """A text that was said in the place of a step."""

    text: str
    n: int
    """How often."""
    agrees: float
    """From 0, it says something else, to 1, it says the same; NaN if it was not judged."""


class ShownStep(NamedTuple):
    """A step as it is shown."""

    number: int
    """From 1."""
    pieces: tuple[Piece, ...]
    cut: int
    """Characters that are not shown."""
    bars: tuple[Bar, ...]
    """Decisiveness, then the confidences."""
    belief: Bar
    """The confidence that the step is coloured by."""
    alternatives: tuple[Alternative, ...] = ()
    """What was said in its place, commonest first."""
    others: int = 0
    """How often something was said that is not among them."""

    @property
    def words(self) -> Bar:
        """Its decisiveness."""
        return self.bars[0]

    @property
    def mismatch(self) -> float:
        """How much surer its words are than the model; NaN if one of the two is missing."""
        return self.words.value - self.belief.value


class ShownTrace(NamedTuple):
    """A trace as it is shown."""

    id: str
    question: str
    gold: str
    answer: str
    """What was read as the final answer; empty if nothing."""
    verdict: str
    """`right`, `wrong` or `not judged`."""
    truncated: bool
    scores: tuple[Bar, ...]
    """Faithfulness of the trace by each estimator."""
    steps: tuple[ShownStep, ...]

    @property
    def faithfulness(self) -> float:
        """Mean over the estimators that have one; NaN if none has."""
        known = [bar.value for bar in self.scores if bar.known]
        return sum(known) / len(known) if known else math.nan


def printable(text: str) -> str:
    """A text of the same length with U+FFFD for every character that a page cannot or should not show."""
    return _UNPRINTABLE.sub("\ufffd", text)


def pieces(text: str, *, deliberation: Deliberation = "none") -> Iterator[Piece]:
    """Cut a text at the markers and questions that the lexicon of decisiveness finds.

    Args:
        text: a step.
        deliberation: what thinking aloud says, see `ccps.faithful.decisiveness`.

    Returns:
        Pieces that together are the text.
    """
    reached = 0
    for sentence in decisiveness(text, deliberation=deliberation).sentences:
        question = sentence.score == QUESTION
        yield from _plain(text[reached : sentence.start], False)
        reached = sentence.start
        for found in sentence.markers:
            yield from _plain(text[reached : found.start], question)
            yield Piece(text[found.start : found.end], "hedge" if found.score < 1 else "booster", found.score, question)
            reached = found.end
        yield from _plain(text[reached : sentence.end], question)
        reached = sentence.end
    yield from _plain(text[reached:], False)


def _plain(text: str, question: bool) -> Iterable[Piece]:
    return [Piece(text, "", math.nan, question)] if text else []


def traces_per_cell(data: FaithfulData) -> int:
    """How many traces of each run are shown: ten, or three where there are many runs."""
    return _TRACES if len(data.cells) <= _MANY_CELLS else _TRACES_OF_MANY


def shown_traces(data: FaithfulData, cell: FaithfulCell, limit: int) -> list[ShownTrace]:
    """The most unfaithful traces of a run, at most `limit`, the worst first."""
    traces, steps, said = (cell.texts(name) for name in ("traces", "steps", "alternatives"))
    rows = traces[traces["trace_id"].isin(cell.worst)].set_index("trace_id", drop=False)
    wanted = [name for name in cell.worst if name in rows.index][:limit]
    return [
        _trace(data, cell, rows.loc[name], steps[steps["trace_id"] == name], said[said["trace_id"] == name])
        for name in wanted
    ]


def _trace(
    data: FaithfulData, cell: FaithfulCell, row: "pd.Series[Any]", steps: pd.DataFrame, said: pd.DataFrame
) -> ShownTrace:
    columns = [(name, f"faithfulness_{name}") for name in cell.estimators]
    return ShownTrace(
        id=printable(str(row["trace_id"])),
        question=_text(row["question"]),
        gold=_text(row["gold"]),
        answer=_text(row["answer"]),
        verdict="not judged" if pd.isna(row["correct"]) else "right" if bool(row["correct"]) else "wrong",
        truncated=bool(row["truncated"]),
        scores=tuple(Bar(label_of(name), _number(row.get(column))) for name, column in columns),
        steps=tuple(_steps(data, cell, steps, said)),
    )


def _steps(data: FaithfulData, cell: FaithfulCell, steps: pd.DataFrame, said: pd.DataFrame) -> Iterator[ShownStep]:
    signals: Sequence[str] = ("decisiveness", *cell.estimators)
    believed = main_estimator(cell) or next(iter(cell.estimators), "")
    by_step = {step: own.to_dict("records") for step, own in said.groupby("step", sort=False)}
    for row in steps.sort_values("step", kind="stable").to_dict("records"):
        text = printable(str(row["text"]))
        others = by_step.get(row["step"], [])
        yield ShownStep(
            number=int(row["step"]) + 1,
            pieces=tuple(pieces(text[:_LONGEST_STEP], deliberation=data.deliberation)),
            cut=max(0, len(text) - _LONGEST_STEP),
            bars=tuple(Bar(label_of(name), _number(row.get(name))) for name in signals),
            belief=Bar(label_of(believed), _number(row.get(believed))),
            alternatives=tuple(map(_alternative, others[:_ALTERNATIVES])),
            others=sum(int(one["n"]) for one in others[_ALTERNATIVES:]),
        )


def _alternative(row: Mapping[str, Any]) -> Alternative:
    text = excerpt(printable(row["text"]))
    return Alternative(text, int(row["n"]), 1 - _number(row["inconsistency"]))


def _text(value: Any) -> str:
    """A cell of a table as text; empty if missing."""
    return "" if pd.isna(value) else printable(str(value))


def _number(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)
