"""What fitting has shown: how well the chosen method does on answers that it has not learnt from."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ccps.core.text import decimal, duration, listed
from ccps.methods import find_method
from ccps.methods.evidence import FloatArray
from ccps.metrics import METRICS, bootstrap
from ccps.metrics.calibration import ECE_ABOVE, is_ece_above
from ccps.metrics.resampling import drawn_counts, percentile_ends
from ccps.probes import ONE_P
from ccps.scorer.fitting import Choice
from ccps.settings.evaluation import EvaluationConfig

MEASURED = ("auroc", "ece", "brier")
FEW = 50
"""With fewer labels than this a warning is given."""


class Measured(NamedTuple):
    """A metric with its interval, as a fraction."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A method that was compared.

    Attributes:
        method: its name, with that of its calibrator.
        label: as readers know it.
        brier: mean squared error of P(correct) out of fold; NaN where it was not compared.
        low: lower end of its interval.
        high: upper end.
        is_chosen: whether it is the one.
        is_apart: whether its squared errors differ from those of the chosen one by more than chance would have it: the
            interval of the mean difference, question by question, does not hold 0.
        why_not: why it was not compared; empty if it was.
    """

    method: str
    label: str
    brier: float
    low: float
    high: float
    is_chosen: bool
    is_apart: bool
    why_not: str


@dataclass(frozen=True)
class Summary:
    """What `fit` found; prints as a table.

    Attributes:
        method: the method that was chosen, with its calibrator.
        label: as readers know it.
        model: the language model's name.
        format: `mc` or `oe`.
        n: answers that were known to be right or wrong.
        right: of them right.
        metrics: out of fold, by name: `auroc`, `ece` (of P(correct), ten bins), `brier`, with 95 % intervals.
        candidates: what it was chosen from.
        left_out: answers that were not fitted to, by reason.
        warnings: what to know before it is used.
        model_seconds: time that the model took.
        fit_seconds: time that fitting and choosing took.
        data: what was said of the data.
    """

    method: str
    label: str
    model: str
    format: str
    n: int
    right: int
    metrics: Mapping[str, Measured]
    candidates: Sequence[Candidate]
    left_out: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    model_seconds: float = math.nan
    fit_seconds: float = math.nan
    data: str = ""

    @property
    def base_rate(self) -> float:
        """Share of right answers."""
        return self.right / self.n

    @property
    def not_told_apart(self) -> list[str]:
        """Labels of the candidates that may be as good as the chosen one."""
        return [one.label for one in self.candidates if not (one.is_chosen or one.is_apart or one.why_not)]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [
            f"{self.label}: P(correct) of answers of {self.model}",
            f"fitted to {self.n} answers, {self.right} of them right ({100 * self.base_rate:.0f} %)",
            "",
            f"{'out of fold':<14}{'value':>7}   95 % interval",
        ]
        for name, one in self.metrics.items():
            ends = f"{decimal(one.low, 3)} to {decimal(one.high, 3)}" if not math.isnan(one.low) else ""
            lines.append(f"{METRICS[name].label:<14}{decimal(one.value, 3):>7}   {ends}")
        if self.not_told_apart:
            lines += ["", f"Not told apart from it by Brier score: {listed(self.not_told_apart)}."]
        lines += [f"Not compared: {one.label}: {one.why_not}" for one in self.candidates if one.why_not]
        lines += [f"Left out: {number} ({reason})" for reason, number in self.left_out.items()]
        lines += [f"Note: {warning}" for warning in self.warnings]
        if not math.isnan(self.model_seconds):
            took = f"The model took {duration(self.model_seconds)}, fitting and choosing {duration(self.fit_seconds)}."
            lines.append(took)
        return lines

    def to_json(self) -> dict[str, Any]:
        """As values that JSON can say; what is not known is null."""
        stored = asdict(self) | {"metrics": {name: list(one) for name, one in self.metrics.items()}}
        return json.loads(json.dumps(_without_nan(stored)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Summary":
        """What `to_json` gave.

        Raises:
            TypeError: it is something else.
        """
        metrics = {name: Measured(*map(_number, stored["metrics"][name])) for name in MEASURED}
        candidates = [
            Candidate(**{**one, **{name: _number(one[name]) for name in ("brier", "low", "high")}})
            for one in stored["candidates"]
        ]
        seconds = {name: _number(stored[name]) for name in ("model_seconds", "fit_seconds")}
        return cls(**{**stored, **seconds, "metrics": metrics, "candidates": candidates})


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def summarise(
    choice: Choice, model: str, format: str, left_out: Mapping[str, int], seconds: tuple[float, float], data: str
) -> Summary:
    """Sum up a choice."""
    known = choice.rows.dropna(subset="p_correct")
    p, correct = known["p_correct"].to_numpy(dtype=np.float64), known["correct"].to_numpy(dtype=np.float64)
    method = find_method(choice.config.name, choice.config.calibrator)
    metrics = measured(p, correct, known["question_id"].tolist())
    n, right = len(choice.rows), int(choice.rows["correct"].sum())
    return Summary(
        method=method.name,
        label=method.label,
        model=model,
        format=format,
        n=n,
        right=right,
        metrics=metrics,
        candidates=_compared(choice),
        left_out={reason: number for reason, number in left_out.items() if number},
        warnings=_warnings(n, right, metrics, choice),
        model_seconds=seconds[0],
        fit_seconds=seconds[1],
        data=data,
    )


def measured(p: FloatArray, correct: FloatArray, question_ids: Sequence[object]) -> dict[str, Measured]:
    """The metrics of a scorer with their intervals, questions being resampled."""
    config = EvaluationConfig()
    found = bootstrap(
        p,
        correct,
        list(question_ids),
        config.convention,
        seed=config.seed,
        aggregate="pooled",
        n_resamples=config.resamples,
        level=config.level,
        metrics={name: METRICS[name] for name in MEASURED},
    )
    return {name: Measured(one.value, one.low, one.high) for name, one in found.items()}


def _compared(choice: Choice) -> list[Candidate]:
    best = _errors(choice.rows)
    found = []
    for one, row in zip(choice.judged, choice.table.itertuples(), strict=True):
        is_apart = not row.why_not and _differs(best, _errors(one.rows))
        label = find_method(
            one.name.removesuffix(f"_{one.calibrator}"), None if one.calibrator == "none" else one.calibrator
        ).label
        ends = float(row.brier), float(row.brier_low), float(row.brier_high)
        found.append(Candidate(one.name, label, *ends, bool(row.chosen), is_apart, row.why_not))
    return found


def _errors(rows: Any) -> FloatArray:
    errors: FloatArray = ((rows["p_correct"] - rows["correct"]) ** 2).to_numpy(dtype=np.float64)
    return errors


def _differs(errors: FloatArray, others: FloatArray) -> bool:
    """Whether the interval of the mean difference does not hold 0; that of answers of which both say something."""
    difference = (others - errors)[np.isfinite(others) & np.isfinite(errors)]
    config = EvaluationConfig()
    weights = drawn_counts(np.random.default_rng(config.seed), config.resamples, len(difference))
    low, high = percentile_ends(weights @ difference / len(difference), config.level)
    return not low <= 0 <= high


def _warnings(n: int, right: int, metrics: Mapping[str, Measured], choice: Choice) -> list[str]:
    found = []
    if n < FEW:
        found.append(
            f"{n} labels are few: below {FEW} both the choice and these figures are little better than guesses."
        )
    if min(right, n - right) < 10:
        found.append(f"only {min(right, n - right)} answers are {'right' if right < n - right else 'wrong'}.")
    if metrics["auroc"].low <= 0.5:
        found.append("that it tells right answers from wrong ones better than chance is not shown: AUROC may be 0.5.")
    if is_ece_above("ece", metrics["ece"].value, metrics["ece"].low):
        found.append(f"{ECE_ABOVE}.")
    dead = [one.name for one in choice.judged if one.why_not == ONE_P]
    if find_method(choice.config.name, choice.config.calibrator).name in dead:
        found.append(f"nothing was learnt: it gives {ONE_P}, about the share of right ones.")
    elif dead:
        found.append(f"dead, with {ONE_P}, and not compared: {listed(dead)}.")
    if len(choice.judged) > 1:
        found.append("figures are of the best of several, chosen on the same answers, and so a little too good.")
    return found
