"""The report of faithfulness: its sections in order, and every file that it is made of."""

from pathlib import Path

import pandas as pd

from ccps.analysis.faithful_data import RESULT_COLUMNS, FaithfulData
from ccps.analysis.faithful_ledger import faithful_ledger
from ccps.report.faithful.answers import answers_section, bridge_section
from ccps.report.faithful.controls import controls_section
from ccps.report.faithful.correlations import correlations_section
from ccps.report.faithful.draws import draws_section
from ccps.report.faithful.glossary import glossary_section
from ccps.report.faithful.job import FAITHFUL
from ccps.report.faithful.left_out import left_out_section
from ccps.report.faithful.parquet import write_parquet
from ccps.report.faithful.reliability import reliability_section
from ccps.report.faithful.scores import scores_section
from ccps.report.faithful.seen import lead, reader_section, seen_section
from ccps.report.faithful.support import support_section
from ccps.report.faithful.traces import traces_section
from ccps.report.faithful.trajectory import trajectory_section
from ccps.report.faithful.words import found_section
from ccps.report.kit.files import new_folders, write_costs, write_csv, write_run, write_text
from ccps.report.kit.job import PageHead, write_pages
from ccps.report.kit.section import Section, facts, latex_file
from ccps.report.published import claims_table, ledger_section
from ccps.report.shared import cost_section, making_section

_QUESTION = (
    "Does the model say what it believes? How certain the words of each step of a trace are, beside how confident the "
    "model is in it."
)

FAITHFUL.sections += [
    seen_section,
    reader_section,
    traces_section,
    found_section,
    controls_section,
    scores_section,
    support_section,
    draws_section,
    answers_section,
    trajectory_section,
    reliability_section,
    correlations_section,
    bridge_section,
    left_out_section,
    lambda data: ledger_section(faithful_ledger(data)),
    lambda data: cost_section(data.costs),
    glossary_section,
    lambda data: Section(
        "setting", "What was run", more=facts(data.settings), link="Run", folded="traces, steps, judges"
    ),
    lambda data: making_section(data.run),
]
FAITHFUL.opens = {"seen", "reader", "traces"}


def write_faithful(data: FaithfulData, folder: Path) -> list[Path]:
    """Write every file of the report into a folder; the same data give the same bytes.

    Args:
        data: what to show.
        folder: made when missing; files of the same name are replaced, others are left.

    Returns:
        The files: tables/faithful.csv, bridge.csv, correlations.csv, dropped.csv, control.csv,
        draws.csv, traces.parquet, steps.parquet,
        main.md and main.tex, figures/, report.html, report.md, costs.csv and run.json; where there are claims also
        tables/claims.csv.
    """
    tables, _ = new_folders(folder)
    pages = FAITHFUL.pages(data, _head(data))
    main = [scores_section(data), support_section(data), left_out_section(data)]
    return [
        *_tables(data, tables),
        write_text(tables / "main.md", "\n\n".join(part.markdown() for part in main) + "\n"),
        write_text(tables / "main.tex", latex_file(main)),
        write_costs(data.costs, folder / "costs.csv"),
        write_run(data.run, folder / "run.json"),
        *write_pages(pages, folder),
    ]


def _head(data: FaithfulData) -> PageHead:
    return PageHead(data.title, lead(data), _QUESTION, {})


def _tables(data: FaithfulData, folder: Path) -> list[Path]:
    results = data.joined("results")[list(RESULT_COLUMNS)]
    results["n"] = pd.to_numeric(results["n"]).astype("Int64")
    entries = faithful_ledger(data)
    return [
        write_csv(results, folder / "faithful.csv"),
        write_csv(data.joined("bridge"), folder / "bridge.csv"),
        write_csv(data.joined("correlations"), folder / "correlations.csv"),
        write_csv(data.joined("dropped"), folder / "dropped.csv"),
        write_csv(data.joined("control"), folder / "control.csv"),
        write_csv(data.joined("draws"), folder / "draws.csv"),
        *([write_csv(claims_table(entries), folder / "claims.csv")] if entries else []),
        write_parquet(data.cells, "traces", folder / "traces.parquet"),
        write_parquet(data.cells, "steps", folder / "steps.parquet"),
    ]
