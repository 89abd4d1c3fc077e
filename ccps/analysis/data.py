"""What a report is made of: one frozen record, checked before anything is drawn or written."""

import numbers
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ccps.analysis.claims import ClaimSet
from ccps.analysis.records import Audit, Example, Fact, Importance, LeftOutMethod, Setting, check_columns, empty
from ccps.core.errors import expected
from ccps.methods.base import ALL_SEEDS
from ccps.metrics import CONVENTIONS, METRICS
from ccps.metrics.aggregates import Aggregate

RESULT_COLUMNS = (
    "model",
    "benchmark",
    "format",
    "method",
    "seed",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "n",
)
SCORE_COLUMNS = ("question_id", "subject", "model", "benchmark", "method", "seed", "p_correct", "correct")
DIFFERENCE_COLUMNS = (
    "model",
    "benchmark",
    "metric",
    "method",
    "other",
    "value",
    "ci_low",
    "ci_high",
    "error",
    "detectable",
    "reservation",
)
SHIFT_SCORE_COLUMNS = ("model", "format", "source", "method", "question_id", "p_correct", "correct")
COST_COLUMNS = ("stage", "seconds", "tokens", "bytes", "peak_memory", "n", "reused")
METHOD_COST_COLUMNS = (
    "model",
    "benchmark",
    "method",
    "seconds",
    "shared",
    "tokens",
    "parameters",
    "bytes",
    "training_seconds",
)
COUNT_COLUMNS = ("what", "number", "reason")
CURVE_COLUMNS = ("model", "seed", "stage", "step", "loss", "accuracy")
CHOICE_COLUMNS = (
    "model",
    "format",
    "method",
    "calibrator",
    "brier",
    "brier_low",
    "brier_high",
    "n",
    "folds",
    "chosen",
)
NO_CALIBRATOR = "none"
"""In the place of a calibrator: P(correct) is taken as the method gives it."""
PAIR_COLUMNS = ("model", "benchmark", "grader", "other")
AGREEMENT_COLUMNS = (
    "model",
    "benchmark",
    "grader",
    "other",
    "n",
    "unknown_grader",
    "unknown_other",
    "both_right",
    "only_grader",
    "only_other",
    "both_wrong",
    "agreement",
    "kappa",
    "kappa_low",
    "kappa_high",
    "note",
)
DISAGREEMENT_COLUMNS = (
    "model",
    "benchmark",
    "question_id",
    "question",
    "accepted",
    "answer",
    "grader",
    "says",
    "other",
    "other_says",
)


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows. All values are fractions; percent are made when shown.

    Attributes:
        title: heading of the report.
        question: one or two sentences that say what the experiment asked.
        results: headline results, columns `RESULT_COLUMNS`; `seed` is missing where none is used.
            An optional column `reason` says why a value is missing.
        single_seeds: results, likewise, of the seeds of which `results` have all together.
        scores: one row per question, method and seed, columns `SCORE_COLUMNS`; `correct` is boolean.
        costs: columns `COST_COLUMNS`; bytes and peak_memory in bytes.
        counts: whatever was dropped, skipped or is worth knowing, columns `COUNT_COLUMNS`.
        run: resolved config, versions, commit, seeds and input hashes; written to run.json.
        facts: lines of the box at the head.
        reference: method that is compared with all others.
        own_method: method that is the model's own probability of its answer, or None when not run.
        method_labels: names to show instead of method ids.
        convention: metric convention of `results`, a name in `ccps.metrics.CONVENTIONS`.
        aggregates: "macro" (mean over subjects) or "pooled" (over all questions) for each benchmark of `results`; macro
            where it is not among them.
        mode: the named modes in use ("prompt strict, grader substring").
        level: level of all intervals.
        results_other: further conventions, `RESULT_COLUMNS` and `convention`.
        convention_notes: one sentence per convention that `ccps.metrics` does not know.
        curves: probe training curves, columns `CURVE_COLUMNS`; `accuracy` may be missing. An optional column `format`
            tells the probes of one model apart.
        examples: questions shown in full.
        claims: published figures to compare with.
        controls: methods that show what chance or a cut would give: they stand apart, are never the strongest other
            method and never bold.
        unfitted: methods that learn nothing, controls not among them.
        choice: what each model and format has to choose from, columns `CHOICE_COLUMNS`, the one row of each that was
            `chosen` first to be told; the Brier score is that on training answers, out of fold. Empty where nothing
            was chosen.
        chance_control: the control that learnt from shuffled labels, whose AUROC ought to be that of chance; or None.
        resamples: how often subjects and seeds are drawn for the intervals of means and differences.
        resampling_seed: seed of these draws.
        label_counts: numbers of test questions that are labelled, to test the others with.
        label_draws: how often they are drawn.
        untrained: the methods that need no training, of each format the strongest first; what a few labels make of the
            others is compared with the first that was run.
        left_out_methods: methods that were not run, and why.
        method_costs: what each method needs by itself, columns `METHOD_COST_COLUMNS`, per question: `seconds` of
            answering, extraction and scoring; `shared`, the part of them that other methods of the run need as well;
            `tokens` read and written by the language model; `bytes` stored. `parameters` are the trained numbers and
            `training_seconds` the time of the training as a whole, for one seed. Missing where not measured.
        audit: what tells of leaks between training and test.
        importance: which features a probe listens to.
        shifts: columns `SHIFT_SCORE_COLUMNS`; P(correct) of training answers by fits that have not seen their source.
        agreement: one row per setting and pair of graders, columns `AGREEMENT_COLUMNS`. `grader` made the labels used
            everywhere else, `other` judged the same answers; `benchmark` may also name the training questions. The
            four cells count the `n` answers that both have judged; `agreement` and `kappa` are fractions, missing
            where undefined, and `note` says why, or what the interval hides. Empty where one grader worked alone.
        disagreements: one row per answer and pair that differ, columns `DISAGREEMENT_COLUMNS`; `accepted` is text,
            several answers joined by " | ", `says` and `other_says` are "right" or "wrong".

    Raises:
        UserError: when `results` or `scores` has no row.
        ValueError: when a table lacks a column, holds an unknown metric, or mixes formats within a benchmark;
            when a disagreement is none, or lies between graders that `agreement` does not compare.
    """

    title: str
    question: str
    results: pd.DataFrame
    scores: pd.DataFrame
    costs: pd.DataFrame
    counts: pd.DataFrame
    run: Mapping[str, Any]
    facts: Sequence[Fact] = ()
    reference: str = "ccps"
    own_method: str | None = None
    method_labels: Mapping[str, str] = field(default_factory=dict)
    convention: str = "ct"
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    mode: str = "parity"
    level: float = 0.95
    single_seeds: pd.DataFrame = field(default_factory=lambda: empty(RESULT_COLUMNS))
    results_other: pd.DataFrame = field(default_factory=lambda: empty((*RESULT_COLUMNS, "convention")))
    convention_notes: Mapping[str, str] = field(default_factory=dict)
    curves: pd.DataFrame = field(default_factory=lambda: empty(CURVE_COLUMNS))
    agreement: pd.DataFrame = field(default_factory=lambda: empty(AGREEMENT_COLUMNS))
    disagreements: pd.DataFrame = field(default_factory=lambda: empty(DISAGREEMENT_COLUMNS))
    examples: Sequence[Example] = ()
    claims: Sequence[ClaimSet] = ()
    controls: Sequence[str] = ()
    unfitted: Sequence[str] = ()
    choice: pd.DataFrame = field(default_factory=lambda: empty(CHOICE_COLUMNS))
    chance_control: str | None = None
    resamples: int = 1000
    resampling_seed: int = 0
    label_counts: Sequence[int] = ()
    label_draws: int = 100
    untrained: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out_methods: Sequence[LeftOutMethod] = ()
    method_costs: pd.DataFrame = field(default_factory=lambda: empty(METHOD_COST_COLUMNS))
    audit: Audit = field(default_factory=Audit)
    importance: Importance = field(default_factory=Importance)
    shifts: pd.DataFrame = field(default_factory=lambda: empty(SHIFT_SCORE_COLUMNS))

    def __post_init__(self) -> None:
        for name, columns in (
            ("results", RESULT_COLUMNS),
            ("single_seeds", RESULT_COLUMNS),
            ("scores", SCORE_COLUMNS),
            ("costs", COST_COLUMNS),
            ("method_costs", METHOD_COST_COLUMNS),
            ("choice", CHOICE_COLUMNS),
            ("counts", COUNT_COLUMNS),
            ("results_other", (*RESULT_COLUMNS, "convention")),
            ("curves", CURVE_COLUMNS),
            ("agreement", AGREEMENT_COLUMNS),
            ("shifts", SHIFT_SCORE_COLUMNS),
            ("disagreements", DISAGREEMENT_COLUMNS),
        ):
            check_columns(name, getattr(self, name), columns)
        for name, table in (("results", self.results), ("scores", self.scores)):
            if table.empty:
                raise expected(
                    f"`{name}`",
                    "a table with at least one row",
                    "none",
                    "Run the evaluate stage before the report.",
                )
        self._check_rows()
        self._check_disagreements()

    def _check_rows(self) -> None:
        known = list(METRICS)
        for name in ("results", "results_other"):
            unknown = sorted(set(getattr(self, name)["metric"]) - set(known))
            if unknown:
                raise ValueError(f"Expected metrics of `{name}` to be among {known}, but got {unknown}.")
        formats = self.results.groupby("benchmark")["format"].nunique()
        if (formats > 1).any():
            mixed = sorted(formats.index[formats > 1])
            raise ValueError(f"Expected `results` to have one format per benchmark, but got more for {mixed}.")
        for name in ("results", "scores", "results_other"):
            seeds = getattr(self, name)["seed"].dropna()
            if not seeds.map(lambda seed: isinstance(seed, numbers.Integral) or float(seed).is_integer()).all():
                raise ValueError(f"Expected seeds of `{name}` to be integers or missing, but got {set(seeds)}.")
        if self.scores["correct"].dtype != bool:
            raise ValueError(f"Expected `scores.correct` to be bool, but got {self.scores['correct'].dtype}.")

    def _check_disagreements(self) -> None:
        verdicts = {(str(a), str(b)) for a, b in self.disagreements[["says", "other_says"]].itertuples(index=False)}
        faulty = sorted(verdicts - {("right", "wrong"), ("wrong", "right")})
        if faulty:
            raise ValueError(f"Expected `disagreements` to say right and wrong, one of each, but got {faulty}.")
        compared, named = (
            set(table[list(PAIR_COLUMNS)].itertuples(index=False, name=None))
            for table in (self.agreement, self.disagreements)
        )
        if named - compared:
            raise ValueError(
                f"Expected `disagreements` to be between graders that `agreement` compares, "
                f"but got {sorted(named - compared)}."
            )

    def label(self, method: str) -> str:
        """Name of a method as readers see it."""
        return self.method_labels.get(method, method)

    def convention_note(self, convention: str) -> str:
        """One line on what a convention measures; empty when nothing is known."""
        known = CONVENTIONS.get(convention)
        return self.convention_notes.get(convention, known.description if known else "")

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods: the reference, the others in the order of `results`, the controls."""
        return ordered_methods(self.results, self.reference, self.controls)

    @property
    def rivals(self) -> tuple[str, ...]:
        """The methods that the reference is measured against: all others save the controls."""
        return tuple(method for method in self.methods if method not in (self.reference, *self.controls))

    def untrained_of(self, benchmark: str) -> Sequence[str]:
        """The methods that need no training, for the format of a benchmark."""
        formats = self.results.loc[self.results["benchmark"] == benchmark, "format"]
        return self.untrained.get(str(formats.iloc[0]), ()) if len(formats) else ()

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All pairs of model and benchmark in the order of `results`."""
        pairs = self.results[["model", "benchmark"]].drop_duplicates()
        return tuple(Setting(str(model), str(benchmark)) for model, benchmark in pairs.itertuples(index=False))


def apart(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is reported of a table with the columns model, benchmark, method and seed, and the single seeds behind it.

    Where a method has rows of all seeds together (`ALL_SEEDS`), these are reported; else those of its seeds are.
    """
    whole = table["seed"] == ALL_SEEDS
    has_whole = whole.groupby([table[name] for name in ("model", "benchmark", "method")]).transform("any")
    single = (has_whole & ~whole).fillna(False).astype(bool)
    return table[~single].reset_index(drop=True), table[single].reset_index(drop=True)


def ordered_methods(results: pd.DataFrame, reference: str, controls: Collection[str] = ()) -> tuple[str, ...]:
    """Methods of a results table: the reference, the others in order of appearance, the controls in theirs."""
    methods = [str(method) for method in results["method"].drop_duplicates()]
    return tuple(sorted(methods, key=lambda method: (method != reference, method in controls)))
