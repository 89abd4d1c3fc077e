"""Write the report of faithfulness: tables, figures, page, Markdown, costs and the record of the run."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ccps.analysis.faithful_data import RESULT_COLUMNS, FaithfulCell, FaithfulData
from ccps.core.text import decimal
from ccps.report.faithful_figures import draw
from ccps.report.faithful_markdown import main_latex, main_markdown, markdown_report
from ccps.report.faithful_parquet import write_parquet
from ccps.report.faithful_sections import sections
from ccps.report.faithful_terms import ANSWER_SIGNALS, DECISIVENESS, ESTIMATORS, TERMS, Signal, behind
from ccps.report.faithful_traces import ShownTrace, heading, shown_traces, traces_per_cell
from ccps.report.faithful_words import conclusion, sentences
from ccps.report.figures import STYLE, Picture
from ccps.report.sections import Section
from ccps.report.tables import write_costs_csv

_HERE = Path(__file__).parent
_QUESTION = (
    "Does the model say what it believes? How certain the words of each step of a trace are, beside how confident the "
    "model is in it."
)


def write_faithful(data: FaithfulData, folder: Path) -> list[Path]:
    """Write every file of the report into a folder; the same data give the same bytes.

    Args:
        data: what to show.
        folder: made when missing; files of the same name are replaced, others are left.

    Returns:
        The files: tables/faithful.csv, bridge.csv, correlations.csv, dropped.csv, traces.parquet, steps.parquet,
        main.md and main.tex, figures/, report.html, report.md, costs.csv and run.json.
    """
    tables, figures = folder / "tables", folder / "figures"
    for place in (tables, figures):
        place.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        drawn = draw(data)
    for image in drawn.pictures:
        (figures / image.name).write_bytes(image.png)
    parts = sections(data, drawn.gaps)
    lines = [conclusion(data), *sentences(data)]
    traces = [(cell, shown_traces(data, cell, traces_per_cell(data))) for cell in data.cells]
    main = [parts["scores"], parts["support"]]
    return [
        *_tables(data, tables),
        _text(main_markdown(main), tables / "main.md"),
        _text(main_latex(main), tables / "main.tex"),
        *(figures / image.name for image in drawn.pictures),
        write_costs_csv(data.costs, folder / "costs.csv"),
        _text(json.dumps(data.run, indent=2, sort_keys=True, allow_nan=False) + "\n", folder / "run.json"),
        _text(_page(data, lines, parts, drawn.pictures, traces), folder / "report.html"),
        _text(markdown_report(data, lines, parts, drawn.pictures, traces, glossary(data)), folder / "report.md"),
    ]


def _tables(data: FaithfulData, folder: Path) -> list[Path]:
    results = data.joined("results")[list(RESULT_COLUMNS)]
    results["n"] = pd.to_numeric(results["n"]).astype("Int64")
    return [
        _csv(results, folder / "faithful.csv"),
        _csv(data.joined("bridge"), folder / "bridge.csv"),
        _csv(data.joined("correlations"), folder / "correlations.csv"),
        _csv(data.joined("dropped"), folder / "dropped.csv"),
        write_parquet(data.cells, "traces", folder / "traces.parquet"),
        write_parquet(data.cells, "steps", folder / "steps.parquet"),
    ]


def glossary(data: FaithfulData) -> list[Signal]:
    """Every score of the report and every term: its source, direction and range, and what stands behind it here."""
    judges = {DECISIVENESS.name: data.decisiveness, **data.judges}
    used = {*data.estimators, *(name for cell in data.cells for name in cell.absent)}
    answer = set(data.joined("bridge")["signal"])
    signals = [
        DECISIVENESS,
        *(one for one in ESTIMATORS if one.name in used),
        *(one for one in ANSWER_SIGNALS if one.name in answer),
    ]
    here = [one._replace(gloss=_with(one.gloss, behind(one.name, judges))) for one in signals]
    return [*here, *TERMS]


def _with(gloss: str, words: str) -> str:
    return f"{gloss} Here: {words}." if words else gloss


def _page(
    data: FaithfulData,
    lines: Sequence[str],
    parts: Mapping[str, Section],
    pictures: Sequence[Picture],
    traces: Sequence[tuple[FaithfulCell, Sequence[ShownTrace]]],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"data_uri": _data_uri, "heading": heading, "score": _score}
    figures: dict[str, dict[str, list[Picture]]] = {}
    for image in pictures:
        figures.setdefault(image.section, {}).setdefault(image.heading, []).append(image)
    return environment.get_template("faithful_template.html.j2").render(
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        data=data,
        question=_QUESTION,
        conclusion=lines[0],
        sentences=lines[1:],
        parts=parts,
        figures=figures,
        traces=traces,
        limit=traces_per_cell(data),
        terms=glossary(data),
        run=json.dumps(data.run, indent=2, sort_keys=True, ensure_ascii=False),
    )


def _data_uri(image: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(image.png).decode()}"


def _csv(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path, index=False, lineterminator="\n")
    return path


def _text(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _score(value: float) -> str:
    return decimal(value, 2)
