"""Figures, and the page and JSON file that hold them."""

import datetime
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ccps.stages.provenance import provenance
from experiments.benchmarks.timing import Spread

# Titles of all sections, as they follow each other.
ORDER = (
    "Features",
    "Sweep",
    "Open-ended answers",
    "Methods",
    "Forward pass",
    "Extraction",
    "Storage",
    "A whole experiment",
)


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
class Made:
    """When, where and how a section was measured."""

    date: str
    command: str
    repetitions: int
    machine: dict[str, Any]

    @property
    def sentence(self) -> str:
        """The same in words."""
        machine = self.machine
        return (
            f"Measured on {self.date} with `{self.command}`, {self.repetitions} repetitions, code "
            f"{machine['commit'] or 'not in a checkout'}, on {machine['processor']} ({machine['cores']} cores, "
            f"{machine['threads']} threads used, {machine['memory_gib']:g} GiB, load before the run "
            f"{machine['load_before']:.2f}), Python {machine['python']}, torch {machine['torch']}, "
            f"transformers {machine['transformers']}, {machine['system']}."
        )


@dataclass(frozen=True)
class Section:
    """Figures that are measured in one way, and the way; `made` is filled in when they are."""

    title: str
    text: str
    figures: Sequence[Figure]
    made: Made | None = None


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


def write_page(measured: Sequence[Section], made: Made, folder: Path) -> Path:
    """Write `benchmarks.md` and `benchmarks.json`; sections that are there and were not measured anew stay.

    Args:
        measured: what this run has measured.
        made: when, where and how.
        folder: made when missing.

    Returns:
        The path of `benchmarks.md`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "benchmarks.json"
    sections = {section.title: section for section in (read_sections(record) if record.exists() else [])}
    sections |= {section.title: replace(section, made=made) for section in measured}
    ordered = sorted(sections.values(), key=lambda section: ORDER.index(section.title))
    content = [_as_json(section) for section in ordered]
    record.write_text(json.dumps({"sections": content}, indent=1, ensure_ascii=False) + "\n")
    file = folder / "benchmarks.md"
    file.write_text(render(ordered))
    return file


def _as_json(section: Section) -> dict[str, Any]:
    content = asdict(section)
    for figure, original in zip(content["figures"], section.figures, strict=True):
        figure["target"] = original.target and f"{original.target.sense} {original.target.bound:g}"
        figure["met"] = original.met
    return content


def read_sections(file: Path) -> list[Section]:
    """Read the sections that `write_page` wrote."""
    sections = []
    for content in json.loads(file.read_text())["sections"]:
        figures = []
        for figure in content["figures"]:
            sense, _, bound = (figure["target"] or "").partition(" ")
            target = Target(sense, float(bound)) if bound else None
            figures.append(Figure(**{key: value for key, value in figure.items() if key != "met"} | {"target": target}))
        sections.append(Section(content["title"], content["text"], figures, Made(**content["made"])))
    return sections


def render(sections: Sequence[Section]) -> str:
    """Lay the page out as Markdown."""
    blocks = [
        "# Benchmarks",
        "`make bench` measures all of it again; each section says when and where it was measured. The numbers are in "
        "[benchmarks.json](benchmarks.json) too. A figure with a range is the median of the repetitions after a "
        "warm-up. Ways that are compared take turns in one process, and a ratio is formed within each repetition, so "
        "that a machine whose speed drifts changes times but hardly ratios. All is computed on the CPU.",
        "## Targets",
        _figure_table([figure for section in sections for figure in section.figures if figure.target]),
    ]
    for section in sections:
        blocks += [f"## {section.title}", section.text, *([section.made.sentence] if section.made else [])]
        blocks += [_figure_table(section.figures), *_reasons(section.figures)]
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
