"""All that the report of an experiment computes from its data, each number once."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ccps.analysis import averages
from ccps.analysis.answer import Answer, answers
from ccps.analysis.data import ReportData
from ccps.analysis.differences import average_differences, paired_differences
from ccps.analysis.few_labels import FewLabels, few_labels
from ccps.analysis.ledger import LedgerEntry, ledger
from ccps.analysis.main_table import MainTable, summarise
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.analysis.shifts import shifts
from ccps.analysis.subjects import per_subject
from ccps.analysis.verdict import ExperimentVerdict, compare, decide
from ccps.metrics import METRICS


@dataclass(frozen=True)
class Findings:
    """What the sections of the report read.

    Attributes:
        data: what was measured.
        given: resamples to use instead of drawing them.
    """

    data: ReportData
    given: Resamples | None = None

    @cached_property
    def measured(self) -> pd.DataFrame:
        """Every metric within each subject."""
        return by_subject(self.data.scores, self.data.convention)

    @cached_property
    def resamples(self) -> Resamples:
        """The one set of resamples that all intervals come from."""
        return self.given or resample(self.data, self.data.convention, self.measured)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """Which confidence to use, for each model and format; empty where none was chosen."""
        return answers(self.data)

    @cached_property
    def means(self) -> pd.DataFrame:
        """Averages over all settings; no row where there is one setting only."""
        return averages.average_results(self.data, self.resamples)

    @cached_property
    def tables(self) -> tuple[MainTable, ...]:
        """The main tables, the average over settings first."""
        data, drawn = self.data, self.resamples
        with_average = drawn.with_average(averages.average_setting(data), data.settings)
        return (
            *summarise(self.means, data.reference, data.controls, with_average),
            *summarise(data.results, data.reference, data.controls, drawn, single_seeds=data.single_seeds),
        )

    @cached_property
    def further(self) -> tuple[MainTable, ...]:
        """Tables of the metrics that methods are not compared by, one for each setting; none where none is known."""
        data, measured = self.data, set(self.data.results["metric"])
        told = {name: metric for name, metric in METRICS.items() if name in measured and not metric.in_contest}
        return summarise(data.results, data.reference, data.controls, self.resamples, told) if told else ()

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every paired difference, those of the average first, columns `DIFFERENCE_COLUMNS`."""
        tables = [difference(self.data, self.resamples) for difference in (average_differences, paired_differences)]
        return pd.concat([table for table in tables if not table.empty] or tables[:1], ignore_index=True)

    @cached_property
    def verdict(self) -> ExperimentVerdict:
        """The conclusion, and every paired difference, those of the average first."""
        data = self.data
        averaged = self.differences["model"] == averages.average_setting(data).model
        found = decide(self.differences[~averaged], data.reference, data.label, data.controls)
        return ExperimentVerdict(found.conclusion, (*compare(self.differences[averaged]), *found.comparisons))

    @cached_property
    def headlines(self) -> tuple[averages.Headline, ...]:
        """How far the reference is ahead of the strongest other method."""
        return averages.headlines(self.data, self.resamples)

    @cached_property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """Every published figure beside what was measured."""
        return ledger(self.data, self.resamples)

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """Every method on every source of the training questions that was left out."""
        return shifts(self.data)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """Every method within each subject."""
        return per_subject(self.data, self.measured)

    @cached_property
    def few_labels(self) -> FewLabels:
        """What a few labels of the test questions make of every method."""
        return few_labels(self.data)

    @cached_property
    def other_conventions(self) -> dict[str, tuple[MainTable, ...]]:
        """Main tables of every further convention; without bold, as the resamples are of the headline one."""
        data = self.data
        return {
            str(name): summarise(table, data.reference, data.controls)
            for name, table in data.results_other.groupby("convention", sort=False)
        }
