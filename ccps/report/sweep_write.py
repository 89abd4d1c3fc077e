"""Write the report of a sweep: table, figures, page and Markdown."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ccps.analysis.sweep_data import BEST_COLUMNS, CHOSEN, ON_TEST, PAPER, SWEEP_COLUMNS, Place, Strength, SweepData
from ccps.analysis.terms import BY_NAME, METRICS
from ccps.core.text import DASH, byte_size, count, duration, interval, percent
from ccps.report import sweep_figures
from ccps.report.figures import STYLE, Picture
from ccps.report.kit.escape import markdown_escape

_HERE = Path(__file__).parent
_SECTIONS = {
    "curves": "Metrics against the radius",
    "heat": "Radius and steps",
    "flips": "Where predictions give way",
}


def write_sweep(data: SweepData, folder: Path) -> list[Path]:
    """Write every file of the report into a folder; the same data give the same bytes.

    Returns:
        The files: tables/sweep.csv, tables/best.csv, figures/, report.html, report.md, costs.csv and run.json.
    """
    tables, figures = folder / "tables", folder / "figures"
    for place in (tables, figures):
        place.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        pictures = [*sweep_figures.curves(data), *sweep_figures.heat_maps(data), *sweep_figures.flips(data)]
    for image in pictures:
        (figures / image.name).write_bytes(image.png)
    return [
        _csv(data.sweep[list(SWEEP_COLUMNS)], tables / "sweep.csv"),
        _csv(data.best[list(BEST_COLUMNS)], tables / "best.csv"),
        *(figures / image.name for image in pictures),
        _csv(data.costs, folder / "costs.csv"),
        _text(json.dumps(data.run, indent=2, sort_keys=True, allow_nan=False) + "\n", folder / "run.json"),
        _text(_page(data, pictures), folder / "report.html"),
        _text(_markdown(data, pictures), folder / "report.md"),
    ]


def sentences(data: SweepData) -> list[str]:
    """What the sweep has found, a sentence for each place and direction."""
    places = data.best[["model", "benchmark", "direction"]].drop_duplicates()
    return [_sentence(data, Place(row.model, row.benchmark), row.direction) for row in places.itertuples(index=False)]


def _sentence(data: SweepData, place: Place, direction: str) -> str:
    chosen, paper, hindsight = (_best_of(data, place, direction, choice) for choice in (CHOSEN, PAPER, ON_TEST))
    metric = BY_NAME[data.choose_by]
    there, own = chosen.loc[metric.name], _strength(chosen)
    same = own == data.paper
    usual = f"against {_figure(paper.loc[metric.name])} at the paper's {data.paper.words}"
    against = "which is the paper's own" if same else usual
    found = percent(float(hindsight["value"].loc[metric.name]))
    best = f"{_strength(hindsight).words} would have been best on the test ({found} %)"
    return (
        f"{place.heading}, {direction}: {own.words} is chosen on {data.folds} training folds by {metric.label}; on the "
        f"test its {metric.label} is {_figure(there)}, {against}. With hindsight {best}."
    )


def _best_of(data: SweepData, place: Place, direction: str, choice: str) -> pd.DataFrame:
    best = data.best
    here = (best["model"] == place.model) & (best["benchmark"] == place.benchmark)
    here &= (best["direction"] == direction) & (best["choice"] == choice)
    return best[here].set_index("metric")


def _strength(rows: pd.DataFrame) -> Strength:
    return Strength(float(rows["radius"].iloc[0]), int(rows["steps"].iloc[0]))


def _figure(row: "pd.Series[float]") -> str:
    return f"{percent(row['value'])} % {interval(row['ci_low'], row['ci_high'])}".strip()


def _rows(data: SweepData) -> list[list[str]]:
    """The table of best strengths: place, direction, choice, strength, and the five metrics with intervals."""
    rows = []
    keys = ["model", "benchmark", "direction", "choice"]
    for (model, benchmark, direction, choice), group in data.best.groupby(keys, sort=False):
        by_metric = group.set_index("metric")
        cells = [_figure(by_metric.loc[metric.name]) if metric.name in by_metric.index else DASH for metric in METRICS]
        place = Place(str(model), str(benchmark)).heading
        rows.append([place, str(direction), str(choice), _strength(group).words, *cells])
    return rows


def _head() -> list[str]:
    metrics = (f"{metric.label} {'↓' if metric.lower_is_better else '↑'}" for metric in METRICS)
    return ["Setting", "Direction", "Strength", "Point", *metrics]


def _explained(data: SweepData) -> str:
    return (
        f"Intervals hold {data.level:.0%} and are over subjects and seeds; figures are means over seeds, calibration "
        f"error by the convention {data.convention}. Strengths were chosen by {BY_NAME[data.choose_by].label} on "
        f"{data.folds} folds of the training questions, by probes that had not seen the fold; no test question took "
        "part. The row with hindsight is no result: it says what the choice may have cost, from the grid's own seeds, "
        "without an interval."
    )


def _page(data: SweepData, pictures: Sequence[Picture]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "data_uri": _data_uri,
        "count": count,
        "duration": duration,
        "bytes": byte_size,
    }
    return environment.get_template("sweep_template.html.j2").render(
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        data=data,
        conclusion=sentences(data)[0],
        sentences=sentences(data)[1:],
        head=_head(),
        rows=_rows(data),
        explained=_explained(data),
        sections={
            name: (title, [image for image in pictures if image.section == name]) for name, title in _SECTIONS.items()
        },
        costs=data.costs.to_dict("records"),
        run=json.dumps(data.run, indent=2, sort_keys=True, ensure_ascii=False),
    )


def _markdown(data: SweepData, pictures: Sequence[Picture]) -> str:
    head = _head()
    lines = [head, [":--"] * 4 + ["--:"] * len(METRICS), *_rows(data)]
    figures = [
        "\n\n".join(
            [f"## {title}", *(f"![{markdown_escape(i.alt)}](figures/{i.name})" for i in pictures if i.section == name)]
        )
        for name, title in _SECTIONS.items()
    ]
    costs = [["Stage", "Time", "Tokens", "On disk"], [":--", "--:", "--:", "--:"]]
    costs += [
        [str(row.stage), duration(row.seconds), count(row.tokens), byte_size(row.bytes)]
        for row in data.costs.itertuples(index=False)
    ]
    parts = [
        f"# {markdown_escape(data.title)}",
        "\n".join(f"- {markdown_escape(text)}" for text in sentences(data)),
        "## Best strengths",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
        _explained(data),
        *figures,
        "## What it cost",
        "\n".join(f"| {' | '.join(line)} |" for line in costs),
        "\n".join(f"- {markdown_escape(note)}" for note in data.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _data_uri(image: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(image.png).decode()}"


def _csv(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path, index=False, lineterminator="\n")
    return path


def _text(text: str, path: Path) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
