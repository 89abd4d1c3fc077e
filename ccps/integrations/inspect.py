"""Logs of Inspect in, and confidences out as the scores that its `precomputed_scores` reads."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ccps.core.errors import expected
from ccps.data.rows import read_rows
from ccps.data.sources import members
from ccps.integrations.answered import Answered, load_answered
from ccps.settings.benchmark import BenchmarkSpec


class Sample(NamedTuple):
    """A sample of a log."""

    id: int | str
    epoch: int


class Log(NamedTuple):
    """What was read of a log."""

    answered: Answered
    samples: list[Sample]
    """Which sample each of its questions is."""


class Scored(Protocol):
    """What a score is made of: a `Confidence`, say."""

    @property
    def answer(self) -> str:
        """The answer that was judged."""

    @property
    def p_correct(self) -> float:
        """P(the answer is correct)."""

    @property
    def source(self) -> str:
        """Who says so."""


def read_log(path: str | Path, scorer: str, *, max_faulty: float = 0.0) -> Log:
    """Read the answers and labels of a log, `.eval` or `.json`.

    Args:
        path: the file.
        scorer: whose score says whether an answer is right: C or 1, I, N or 0.
        max_faulty: largest share of samples that may be left out because they broke off or name no option.

    Raises:
        UserError: the file is no such log, a sample has no single question, or no such scorer.
    """
    rows = [row for member in members("file", str(path), "") for _, row in read_rows("inspect", member)]
    is_choice = "options" in rows[0]
    answered = load_answered(
        BenchmarkSpec(
            name="inspect",
            location=str(path),
            source="file",
            loader="inspect",
            question="question",
            format="mc" if is_choice else "oe",
            options=["options"] if is_choice else [],
            answer="right" if is_choice else "accepted",
            answer_kind="letter" if is_choice else "text",
            given_answer=f"answers.{scorer}",
            given_label=f"correct.{scorer}",
            max_faulty=max_faulty,
            repeated="keep",
        )
    )
    return Log(answered, [Sample(rows[place]["id"], rows[place]["epoch"]) for place in answered.places])


def write_scores(path: str | Path, samples: Sequence[Sample], confidences: Sequence[Scored]) -> Path:
    """Write confidences as a JSON Lines file for `inspect_ai.scorer.precomputed_scores` (0.3.285).

    `inspect score log.eval --scorer inspect_ai/precomputed_scores -S scores=confidences.jsonl` adds them to the log. An
    answer without a confidence has no line, and stays without a score there.

    Args:
        path: file to write, ending in .jsonl.
        samples: of which sample each confidence is.
        confidences: one for each.

    Raises:
        UserError: numbers that differ, or another ending.
    """
    file = Path(path)
    if file.suffix != ".jsonl":
        raise expected("the file of scores", "one that ends in .jsonl", str(path), "Inspect reads it by its ending.")
    if len(samples) != len(confidences):
        raise expected("`confidences`", f"one for each of {len(samples)} samples", len(confidences), "Pass as many.")
    lines = [
        json.dumps(
            {
                "id": sample.id,
                "epoch": sample.epoch,
                "value": one.p_correct,
                "answer": one.answer,
                "explanation": f"P(correct) by {one.source}",
            },
            ensure_ascii=False,
        )
        for sample, one in zip(samples, confidences, strict=True)
        if not math.isnan(one.p_correct)
    ]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file
