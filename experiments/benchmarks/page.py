"""Figures, and the page and JSON file that hold them."""

import datetime
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ccps.stages.provenance import provenance
from experiments.benchmarks.timing import Spread


class Target(NamedTuple):
    """What a figure should reach: at least or at most a bound."""

    sense: str
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether a value reaches it."""
        return value >= self.bound if self.sense == "≥" else value <= self.bound


@dataclass(frozen=True)
class Figure:
    """One number of the page.

    Attributes:
        what: what was measured.
        subject: on what: a model, a shape.
        value: the median, or the number itself; None if it was not measured.
        unit: of the value.
        low: smallest of the repetitions; None where there are none.
        high: largest of the repetitions.
        target: what it should reach, if anything.
        reason: why there is no value.
    """

    what: str
    subject: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    target: Target | None = None
    reason: str = ""

    @classmethod
    def of(cls, what: str, subject: str, measured: Spread, unit: str, target: Target | None = None) -> "Figure":
        """A figure that repetitions stand for."""
        return cls(what, subject, measured.median, unit, measured.low, measured.high, target)

    @classmethod
    def missing(cls, what: str, subject: str, reason: str, target: Target | None = None) -> "Figure":
        """A figure that could not be measured."""
        return cls(what, subject, None, "", target=target, reason=reason)

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None if there is none, or no value."""
        return None if self.target is None or self.value is None else self.target.met_by(self.value)


@dataclass(frozen=True)
class Section:
    """Figures that are measured in one way, and the way."""

    title: str
    text: str
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Page:
    """Everything that one run has measured, and where."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    command: str
    date: str
    sections: Sequence[Section]


def describe_machine(load: float) -> dict[str, Any]:
    """What the figures depend on; `load` is the system's load average before the run."""
    made_with = provenance()
    machine = made_with["machine"]
    return {
        "processor": machine["processor"],
        "cores": machine["cores"],
        "threads": machine["threads"],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": machine["system"],
        "load_before": load,
        "python": made_with["python"],
        "torch": made_with["versions"]["torch"],
        "transformers": made_with["versions"]["transformers"],
        "commit": made_with["commit"],
    }


def today() -> str:
    """The date of the run, YYYY-MM-DD."""
    return datetime.datetime.now().astimezone().date().isoformat()


def shell_command(arguments: Iterable[str]) -> str:
    """The command that measures the same again; `++` is how the launcher passes overrides on."""
    return shlex.join(["python", "-m", "experiments.bench", *(text.removeprefix("++") for text in arguments)])


def write_page(page: Page, folder: Path) -> Path:
    """Write `benchmarks.md` and `benchmarks.json`; return the former's path."""
    folder.mkdir(parents=True, exist_ok=True)
    content = asdict(page)
    for section, of_section in zip(content["sections"], page.sections, strict=True):
        for figure, original in zip(section["figures"], of_section.figures, strict=True):
            figure["target"] = original.target and f"{original.target.sense} {original.target.bound:g}"
            figure["met"] = original.met
    (folder / "benchmarks.json").write_text(json.dumps(content, indent=1, ensure_ascii=False, default=list) + "\n")
    file = folder / "benchmarks.md"
    file.write_text(render(page))
    return file


def render(page: Page) -> str:
    """Lay the page out as Markdown."""
    machine = page.machine
    blocks = [
        "# Benchmarks",
        f"Measured on {page.date} with `{page.command}`, which measures it all again (`make bench` runs it with the "
        "default settings). The numbers are in [benchmarks.json](benchmarks.json) too.",
        _table(
            ["Machine", ""],
            [
                ["Processor", f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads used"],
                ["Memory", f"{machine['memory_gib']:g} GiB"],
                ["Load before the run", f"{machine['load_before']:.2f}"],
                ["Software", f"Python {machine['python']}, torch {machine['torch']}, "
                 f"transformers {machine['transformers']}, {machine['system']}"],
                ["Code", str(machine["commit"] or "not in a checkout")],
            ],
        ),
        f"A figure with a range is the median of {page.settings['repetitions']} repetitions after a warm-up. Ways that "
        "are compared take turns in one process, and a ratio is formed within each repetition, so that a machine whose "
        "speed drifts changes times but hardly ratios. All is computed on the CPU.",
        "## Targets",
        _figure_table([figure for section in page.sections for figure in section.figures if figure.target]),
    ]  # fmt: skip
    for section in page.sections:
        blocks += [f"## {section.title}", section.text, _figure_table(section.figures)]
        blocks += _reasons(section.figures)
    return "\n\n".join(blocks) + "\n"


def number(value: float) -> str:
    """Three digits, as people write them: 12,345 · 123 · 1.23 · 0.0123 · 1.2e-05."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if abs(value) >= 0.001 else f"{value:.1e}" if value else "0"


def _figure_table(figures: Iterable[Figure]) -> str:
    rows = []
    for figure in figures:
        value = "not measured" if figure.value is None else f"{number(figure.value)} {figure.unit}".strip()
        several = figure.low is not None and figure.high is not None
        extent = f"{number(figure.low)} – {number(figure.high)}" if several else ""  # type: ignore[arg-type]
        target = f"{figure.target.sense} {figure.target.bound:g}" if figure.target else ""
        met = {True: "met", False: "**not met**", None: ""}[figure.met]
        rows.append([figure.what, figure.subject, value, extent, target, met])
    return _table(["What", "On", "Figure", "Range", "Target", ""], rows)


def _reasons(figures: Iterable[Figure]) -> list[str]:
    reasons = [f"- {figure.what}, {figure.subject}: {figure.reason}" for figure in figures if figure.value is None]
    return ["Not measured:\n\n" + "\n".join(reasons)] if reasons else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
