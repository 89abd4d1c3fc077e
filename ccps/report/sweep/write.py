"""The report of a sweep: its sections in order, and every file that it is made of."""

from pathlib import Path

from ccps.analysis.sweep_data import BEST_COLUMNS, CHANCE_COLUMNS, RADIUS_COLUMNS, SWEEP_COLUMNS, SweepData
from ccps.report.kit.files import new_folders, write_csv, write_run
from ccps.report.kit.job import PageHead, write_pages
from ccps.report.shared import cost_section, making_section
from ccps.report.sweep.best import best_section
from ccps.report.sweep.chance import chance_section
from ccps.report.sweep.curves import curves_section
from ccps.report.sweep.flips import flips_section
from ccps.report.sweep.heat import heat_section
from ccps.report.sweep.job import SWEEP
from ccps.report.sweep.radius import headline, radius_section

_QUESTION = "How far must a hidden state be pushed for its answer to tell right from wrong, and in how many steps?"

SWEEP.sections += [
    radius_section,
    chance_section,
    best_section,
    curves_section,
    heat_section,
    flips_section,
    lambda data: cost_section(data.costs, data.notes),
    lambda data: making_section(data.run),
]


def write_sweep(data: SweepData, folder: Path) -> list[Path]:
    """Write every file of the report into a folder; the same data give the same bytes.

    Returns:
        The files: tables/ (radii.csv, chance.csv, sweep.csv, best.csv), figures/, report.html, report.md, costs.csv and
        run.json.
    """
    tables, _ = new_folders(folder)
    pages = SWEEP.pages(data, PageHead(data.title, headline(data), _QUESTION, {}))
    return [
        write_csv(data.radii[list(RADIUS_COLUMNS)], tables / "radii.csv"),
        write_csv(data.chance[list(CHANCE_COLUMNS)], tables / "chance.csv"),
        write_csv(data.sweep[list(SWEEP_COLUMNS)], tables / "sweep.csv"),
        write_csv(data.best[list(BEST_COLUMNS)], tables / "best.csv"),
        write_csv(data.costs, folder / "costs.csv"),
        write_run(data.run, folder / "run.json"),
        *write_pages(pages, folder),
    ]
