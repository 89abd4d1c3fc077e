"""Write a whole report: tables, figures, page, ledger, costs and the record of the run."""

import json
from pathlib import Path

import matplotlib
import pandas as pd

from ccps.report import figures_curves, figures_panels
from ccps.report.claims import ledger, write_claims
from ccps.report.data import ReportData
from ccps.report.figures import STYLE, Picture
from ccps.report.html import render
from ccps.report.markdown import markdown_report
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
from ccps.report.verdict import decide


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Write every file of a report into a folder; the same data give the same bytes.

    Args:
        data: what to show.
        folder: made when missing; files of the same name are replaced, others are left.

    Returns:
        The files: tables/, figures/, report.html, report.md, claims.json, costs.csv and run.json. The tables
        agreement.csv and disagreements.csv are among them only where graders are compared.
    """
    tables, figures = folder / "tables", folder / "figures"
    for place in (tables, figures):
        place.mkdir(parents=True, exist_ok=True)
    blocks = summarise(data.results, data.differences, data.reference)
    subjects = per_subject(data)
    pictures = draw_all(data, subjects)
    entries = ledger(data.claims, data.results, data.reference) if data.claims else ()
    verdict = decide(data.differences, data.reference, data.label)
    page = render(data, blocks, verdict, pictures, entries, subjects)
    subjects.to_csv(tables / "per_subject.csv", index=False, lineterminator="\n")
    return [
        write_results_csv(data.results, tables / "results.csv"),
        write_results_csv(data.results_other, tables / "other_conventions.csv", extra=["convention"]),
        tables / "per_subject.csv",
        _write(tables / "main.md", main_markdown(blocks, data)),
        _write(tables / "main.tex", main_latex(blocks, data)),
        _write(tables / "other_conventions.md", other_markdown(data)),
        *_write_agreement(data, tables),
        *_write_pictures(pictures, figures),
        write_claims(entries, folder / "claims.json"),
        write_costs_csv(data.costs, folder / "costs.csv"),
        _write(folder / "run.json", json.dumps(data.run, indent=2, sort_keys=True, allow_nan=False) + "\n"),
        _write(folder / "report.html", page),
        _write(folder / "report.md", markdown_report(data, blocks, verdict, pictures)),
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
        )


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


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
