"""The report of an experiment: its sections in order, and every file that it is made of."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ccps.analysis import averages
from ccps.analysis.answer import certified
from ccps.analysis.certified import CERTIFIED_COLUMNS
from ccps.analysis.data import (
    AGREEMENT_COLUMNS,
    CHOICE_COLUMNS,
    DISAGREEMENT_COLUMNS,
    METHOD_COST_COLUMNS,
    RESULT_COLUMNS,
    ReportData,
)
from ccps.analysis.few_labels import FEW_LABELS_COLUMNS, FEW_LABELS_DIFFERENCE_COLUMNS
from ccps.analysis.findings import Findings
from ccps.analysis.records import DROP_COLUMNS, SHAP_COLUMNS, SHARED_COLUMNS, TRANSFER_COLUMNS
from ccps.analysis.shifts import SHIFT_COLUMNS
from ccps.methods.base import ALL_SEEDS, ALL_SEEDS_IN_WORDS
from ccps.metrics.aggregates import Aggregate, variant
from ccps.report.kit.files import new_folders, write_costs, write_csv, write_run, write_text
from ccps.report.kit.job import PageHead, write_pages
from ccps.report.kit.section import latex_file
from ccps.report.main.answer import ANCHOR, answer_section, conclusion
from ccps.report.main.asked import asked_section
from ccps.report.main.audit import audit_section
from ccps.report.main.conventions import convention_parts, conventions_section
from ccps.report.main.coverage import coverage_section
from ccps.report.main.differences import differences_section
from ccps.report.main.examples import examples_section
from ccps.report.main.few_labels import few_labels_section
from ccps.report.main.further import further_section
from ccps.report.main.glossary import glossary_section
from ccps.report.main.graders import graders_section
from ccps.report.main.headline import headline_lines, headline_section
from ccps.report.main.histograms import histograms_section
from ccps.report.main.importance import importance_section
from ccps.report.main.job import MAIN
from ccps.report.main.left_out import counts_section, left_out_section
from ccps.report.main.method_cost import method_cost_section
from ccps.report.main.reliability import reliability_section
from ccps.report.main.results import results_section
from ccps.report.main.shifts import shifts_section
from ccps.report.main.subjects import subjects_section
from ccps.report.main.training import training_section
from ccps.report.published import claims_table, ledger_lines, ledger_section, write_claims
from ccps.report.shared import cost_section, making_section

# A page with all panels of more settings than this grows beyond what is comfortable to open or send.
_SETTINGS_IN_FULL = 3
_QUESTION = (
    "Which confidence says best whether an answer is right, how good it is, and how to use it. Below, folded: all "
    "methods compared, and whatever a reviewer asks for."
)

# What an author needs is folded below what a user needs.
MAIN.opens = {ANCHOR}
MAIN.sections += [
    answer_section,
    results_section,
    headline_section,
    differences_section,
    reliability_section,
    few_labels_section,
    coverage_section,
    histograms_section,
    further_section,
    subjects_section,
    graders_section,
    importance_section,
    method_cost_section,
    lambda found: cost_section(found.data.costs),
    asked_section,
    left_out_section,
    counts_section,
    audit_section,
    shifts_section,
    conventions_section,
    examples_section,
    lambda found: ledger_section(found.entries),
    training_section,
    lambda found: making_section(found.data.run),
    glossary_section,
]


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Write every file of a report into a folder; the same data give the same bytes.

    Args:
        data: what to show.
        folder: made when missing; files of the same name are replaced, others are left.

    Returns:
        The files: tables/, figures/, report.html, report.md, claims.json, claims.txt, costs.csv and run.json. A
        table of what was not measured (graders compared, costs of methods, audit, importance) is not among them.
    """
    tables, _ = new_folders(folder)
    found = Findings(data)
    pages = MAIN.pages(found, head(found), in_full=len(data.settings) <= _SETTINGS_IN_FULL)
    lines = [*headline_lines(found.headlines, data.reference), *ledger_lines(found.entries)]
    return [
        write_results(both_aggregates(data), tables / "results.csv", extra=["aggregate"]),
        write_results(data.results_other, tables / "other_conventions.csv", extra=["convention"]),
        write_csv(found.subjects, tables / "per_subject.csv"),
        write_csv(found.differences, tables / "differences.csv"),
        write_text(tables / "main.md", results_section(found).markdown(heading=False) + "\n"),
        write_text(tables / "main.tex", latex_file([results_section(found)], joined=True)),
        write_text(tables / "other_conventions.md", other_conventions(found)),
        *([write_csv(claims_table(found.entries), tables / "claims.csv")] if found.entries else []),
        *_write_measured(found, tables),
        *_write_disagreements(data, tables),
        write_claims(found.entries, folder / "claims.json"),
        write_text(folder / "claims.txt", "".join(f"{line}\n" for line in lines)),
        write_costs(data.costs, folder / "costs.csv"),
        write_run(data.run, folder / "run.json"),
        *write_pages(pages, folder),
    ]


def head(found: Findings) -> PageHead:
    """What stands above the sections."""
    return PageHead(found.data.title, conclusion(found), _QUESTION, {})


def both_aggregates(data: ReportData) -> pd.DataFrame:
    """The results of the headline convention: those that lead, then the other kind, told apart by `aggregate`."""
    results = _with_single_seeds(data)
    led = [data.aggregates.get(str(name), "macro") for name in results["benchmark"]]
    leading = results.assign(aggregate=led)
    kinds: dict[str, Aggregate] = {variant(data.convention, how): how for how in ("macro", "pooled")}
    other = data.results_other[data.results_other["convention"].isin(list(kinds))]
    other = other.assign(aggregate=other["convention"].map(kinds))
    return pd.concat([leading, other], ignore_index=True) if len(other) else leading


def write_results(results: pd.DataFrame, path: Path, extra: Sequence[str] = ()) -> Path:
    """Write a long results table, its columns in the order of `RESULT_COLUMNS`, missing values empty.

    In the place of a seed, `all` stands for what was made of all seeds together.

    Args:
        results: the table; values are fractions, `seed` is an integer or missing.
        path: file to write.
        extra: further columns to keep, after the others.
    """
    table = results.loc[:, [*RESULT_COLUMNS, *extra]].copy()
    for column in ("seed", "n"):
        table[column] = pd.to_numeric(table[column]).astype("Int64")
    if (table["seed"] == ALL_SEEDS).any():
        table["seed"] = table["seed"].astype(object).replace(ALL_SEEDS, ALL_SEEDS_IN_WORDS)
    return write_csv(table, path)


def _with_single_seeds(data: ReportData) -> pd.DataFrame:
    """What is reported, then the single seeds behind it."""
    return data.results if data.single_seeds.empty else pd.concat([data.results, data.single_seeds], ignore_index=True)


def other_conventions(found: Findings) -> str:
    """All metrics under all further conventions in Markdown."""
    parts = [part.markdown() for part in convention_parts(found)]
    return "\n\n".join(parts or ["No further convention was computed."]) + "\n"


def _write_measured(found: Findings, folder: Path) -> list[Path]:
    """The long tables that hold a row, with the columns they must have."""
    data = found.data
    tables = {
        "averages": (averages.averages_table(data, found.means), averages.AVERAGE_COLUMNS),
        "choice": (data.choice, CHOICE_COLUMNS),
        "thresholds": (certified(found.answers), CERTIFIED_COLUMNS),
        "method_costs": (data.method_costs, METHOD_COST_COLUMNS),
        "shared": (data.audit.shared, SHARED_COLUMNS),
        "transfer": (data.audit.transfer, TRANSFER_COLUMNS),
        "shifts": (found.shifts, SHIFT_COLUMNS),
        "importance": (data.importance.shap, SHAP_COLUMNS),
        "importance_groups": (data.importance.drops, DROP_COLUMNS),
        "agreement": (data.agreement, AGREEMENT_COLUMNS),
        "few_labels": (found.few_labels.curves, FEW_LABELS_COLUMNS),
        "few_labels_differences": (found.few_labels.differences, FEW_LABELS_DIFFERENCE_COLUMNS),
    }
    return [
        write_csv(table.loc[:, list(columns)], folder / f"{name}.csv")
        for name, (table, columns) in tables.items()
        if not table.empty
    ]


def _write_disagreements(data: ReportData, folder: Path) -> list[Path]:
    """Every disagreement in full, with its columns even where there is none; no file where one grader worked alone."""
    if data.agreement.empty:
        return []
    return [write_csv(data.disagreements.loc[:, list(DISAGREEMENT_COLUMNS)], folder / "disagreements.csv")]
