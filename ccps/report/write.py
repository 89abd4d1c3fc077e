"""Write a whole report: tables, figures, page, ledger, costs and the record of the run."""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd

from ccps.analysis import averages
from ccps.analysis.data import METHOD_COST_COLUMNS, ReportData
from ccps.analysis.differences import average_differences, paired_differences
from ccps.analysis.ledger import LedgerEntry, ledger
from ccps.analysis.records import DROP_COLUMNS, SHAP_COLUMNS, SHARED_COLUMNS, TRANSFER_COLUMNS
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.analysis.verdict import ExperimentVerdict, compare, decide
from ccps.report import figures_curves, figures_panels
from ccps.report.audit import audit_section, transfer_figures
from ccps.report.costs import cost_figures, left_out_section, method_cost_section
from ccps.report.figures import STYLE, Picture
from ccps.report.html import render
from ccps.report.importance import importance_figures, importance_section
from ccps.report.main.headline import headline_lines, headline_section
from ccps.report.main.published import ledger_lines, ledger_section, write_claims
from ccps.report.markdown import markdown_report
from ccps.report.sections import Section
from ccps.report.summary import summarise
from ccps.report.tables import (
    main_latex,
    main_markdown,
    other_markdown,
    per_subject,
    write_agreement_csv,
    write_costs_csv,
    write_disagreements_csv,
    write_results_csv,
)


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Write every file of a report into a folder; the same data give the same bytes.

    Args:
        data: what to show.
        folder: made when missing; files of the same name are replaced, others are left.

    Returns:
        The files: tables/, figures/, report.html, report.md, claims.json, claims.txt, costs.csv and run.json. A
        table of what was not measured (graders compared, costs of methods, audit, importance) is not among them.
    """
    tables, figures = folder / "tables", folder / "figures"
    for place in (tables, figures):
        place.mkdir(parents=True, exist_ok=True)
    measured = by_subject(data.scores, data.convention)
    resamples = resample(data, data.convention, measured)
    mean, mean_differences = averages.average_results(data, resamples), average_differences(data, resamples)
    with_average = resamples.with_average(averages.average_setting(data), data.settings)
    blocks = (
        *summarise(mean, data.reference, data.controls, with_average),
        *summarise(data.results, data.reference, data.controls, resamples),
    )
    found = decide(paired_differences(data, resamples), data.reference, data.label, data.controls)
    verdict = ExperimentVerdict(found.conclusion, (*compare(mean_differences), *found.comparisons))
    subjects = per_subject(data, measured)
    pictures = draw_all(data, subjects)
    headlines, entries = averages.headlines(data, resamples), ledger(data, resamples)
    sections = _sections(data, resamples, headlines, entries)
    page = render(data, blocks, verdict, pictures, sections, subjects)
    subjects.to_csv(tables / "per_subject.csv", index=False, lineterminator="\n")
    return [
        write_results_csv(data.results, tables / "results.csv"),
        write_results_csv(data.results_other, tables / "other_conventions.csv", extra=["convention"]),
        tables / "per_subject.csv",
        _write(tables / "main.md", main_markdown(blocks, data)),
        _write(tables / "main.tex", main_latex(blocks, data)),
        _write(tables / "other_conventions.md", other_markdown(data)),
        *_write_tables(data, averages.averages_table(data, mean), tables),
        *_write_agreement(data, tables),
        *_write_pictures(pictures, figures),
        write_claims(entries, folder / "claims.json"),
        _write_lines(folder / "claims.txt", [*headline_lines(headlines, data.reference), *ledger_lines(entries)]),
        write_costs_csv(data.costs, folder / "costs.csv"),
        _write(folder / "run.json", json.dumps(data.run, indent=2, sort_keys=True, allow_nan=False) + "\n"),
        _write(folder / "report.html", page),
        _write(folder / "report.md", markdown_report(data, blocks, verdict, pictures, sections)),
    ]


def draw_all(data: ReportData, subjects: pd.DataFrame) -> tuple[Picture, ...]:
    """Every figure of a report; `subjects` is the table of `per_subject`."""
    with matplotlib.rc_context(STYLE):
        return (
            *figures_panels.reliability(data),
            *figures_curves.risk_coverages(data),
            *figures_panels.histograms(data),
            *figures_curves.subjects(data, subjects),
            *figures_curves.training(data),
            *cost_figures(data),
            *transfer_figures(data),
            *importance_figures(data),
        )


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _write_lines(path: Path, lines: Sequence[str]) -> Path:
    return _write(path, "".join(f"{line}\n" for line in lines))


def _sections(
    data: ReportData,
    resamples: Resamples,
    headlines: Sequence[averages.Headline],
    entries: Sequence[LedgerEntry],
) -> dict[str, Section]:
    """The parts made of words and tables that have something to say, by anchor."""
    parts = (
        headline_section(data, headlines),
        importance_section(data),
        method_cost_section(data),
        left_out_section(data),
        audit_section(data, resamples),
        ledger_section(entries),
    )
    return {part.anchor: part for part in parts if part is not None}


def _write_tables(data: ReportData, means: pd.DataFrame, folder: Path) -> list[Path]:
    """The long tables that hold a row, with the columns they must have."""
    tables = {
        "averages": (means, averages.AVERAGE_COLUMNS),
        "method_costs": (data.method_costs, METHOD_COST_COLUMNS),
        "shared": (data.audit.shared, SHARED_COLUMNS),
        "transfer": (data.audit.transfer, TRANSFER_COLUMNS),
        "importance": (data.importance.shap, SHAP_COLUMNS),
        "importance_groups": (data.importance.drops, DROP_COLUMNS),
    }
    paths = []
    for name, (table, columns) in tables.items():
        if not table.empty:
            paths.append(folder / f"{name}.csv")
            table.loc[:, list(columns)].to_csv(paths[-1], index=False, lineterminator="\n")
    return paths


def _write_agreement(data: ReportData, folder: Path) -> list[Path]:
    if data.agreement.empty:
        return []
    return [
        write_agreement_csv(data.agreement, folder / "agreement.csv"),
        write_disagreements_csv(data.disagreements, folder / "disagreements.csv"),
    ]


def _write_pictures(pictures: tuple[Picture, ...], folder: Path) -> list[Path]:
    names = [image.name for image in pictures]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"Expected figures to have different file names, but got {twice}. Rename a method or model.")
    for image in pictures:
        (folder / image.name).write_bytes(image.png)
    return [folder / name for name in names]
