"""Figures, and the page and JSON file that hold them."""

import datetime
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ccps.pipeline.provenance import provenance
from experiments.benchmarks.timing import Spread

# Titles of all sections, as they follow each other. What a GPU has measured stands beside what the CPU has.
ON_GPU = ", on a GPU"
ORDER = (
    "Features",
    "Features in the head's precision",
    "Sizes",
    "Cost against questions",
    "Processes",
    "Sweep",
    "Open-ended answers",
    "Methods",
    "Forward pass",
    "Continuing from steps",
    "Texts of mixed length",
    "Scoring traces",
    "What a plan goes by",
    "Storage",
    "A scorer",
    "The first number of a scorer",
    "Fitting a scorer",
    "Serving",
    "Soak",
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
            f"{machine['load_before']:.2f}){self._gpu}, Python {machine['python']}, torch {machine['torch']}, "
            f"transformers {machine['transformers']}, {machine['system']}."
        )

    @property
    def _gpu(self) -> str:
        gpu = self.machine.get("gpu")
        return f" with {gpu} ({self.machine['gpu_memory_gib']:g} GiB)" if gpu else ""


@dataclass(frozen=True)
class Section:
    """Figures that are measured in one way, and the way.

    Attributes:
        title: one of `ORDER`, or one of them `ON_GPU`.
        text: how they are measured.
        figures: the numbers.
        made: filled in when they are written.
        picture: path of an image beside the page, if there is one.
    """

    title: str
    text: str
    figures: Sequence[Figure]
    made: Made | None = None
    picture: str = ""

    @property
    def is_measured(self) -> bool:
        """Whether there is a figure at all."""
        return any(figure.value is not None for figure in self.figures)

    @property
    def place(self) -> tuple[int, bool]:
        """Where it stands on the page."""
        return ORDER.index(self.title.removesuffix(ON_GPU)), self.title.endswith(ON_GPU)


def describe_machine(load: float, device: torch.device) -> dict[str, Any]:
    """What the figures depend on; `load` is the system's load average before the run, `device` where it was."""
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
        **(_gpu(device) if device.type == "cuda" else {}),
    }


def _gpu(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    return {"gpu": properties.name, "gpu_memory_gib": round(properties.total_memory / 2**30, 1)}


def today() -> str:
    """The date of the run, YYYY-MM-DD."""
    return datetime.datetime.now().astimezone().date().isoformat()


def shell_command(arguments: Iterable[str]) -> str:
    """The command that measures the same again; `++` is how the launcher passes overrides on."""
    return shlex.join(["python", "-m", "experiments.bench", *(text.removeprefix("++") for text in arguments)])


def write_page(measured: Sequence[Section], made: Made, folder: Path) -> Path:
    """Write `benchmarks.md` and `benchmarks.json`; sections that are there and were not measured anew stay.

    So does one with figures where there are none now, on a machine that lacks something for instance.

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
    for section in measured:
        if section.is_measured or section.title not in sections or not sections[section.title].is_measured:
            sections[section.title] = replace(section, made=made)
    ordered = sorted(sections.values(), key=lambda section: section.place)
    content = [_as_json(section) for section in ordered]
    _write_whole(record, json.dumps({"sections": content}, indent=1, ensure_ascii=False) + "\n")
    file = folder / "benchmarks.md"
    _write_whole(file, render(ordered))
    return file


def _write_whole(file: Path, text: str) -> None:
    """Have a file be the old one or the new one, whenever the process ends."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(file)


def _as_json(section: Section) -> dict[str, Any]:
    content = asdict(section)
    for figure, original in zip(content["figures"], section.figures, strict=True):
        figure["target"] = original.target and f"{original.target.sense} {original.target.bound:g}"
        figure["met"] = original.met
    return content


def read_sections(file: Path) -> list[Section]:
    """Read the sections that `write_page` wrote, without those of which nothing is measured any more."""
    sections = []
    for content in json.loads(file.read_text())["sections"]:
        if content["title"].removesuffix(ON_GPU) not in ORDER:
            continue
        figures = []
        for figure in content["figures"]:
            sense, _, bound = (figure["target"] or "").partition(" ")
            target = Target(sense, float(bound)) if bound else None
            figures.append(Figure(**{key: value for key, value in figure.items() if key != "met"} | {"target": target}))
        made, picture = Made(**content["made"]), content.get("picture", "")
        sections.append(Section(content["title"], content["text"], figures, made, picture))
    return sections


def render(sections: Sequence[Section]) -> str:
    """Lay the page out as Markdown."""
    blocks = [
        "# Benchmarks",
        "`make bench` measures all of it again; each section says when and where it was measured. The numbers are in "
        "[benchmarks.json](benchmarks.json) too. A figure with a range is the median of the repetitions after a "
        "warm-up. Ways that are compared take turns in one process, and a ratio is formed within each repetition, so "
        "that a machine whose speed drifts changes times but hardly ratios. Sections that do not name a GPU are of the "
        "CPU. What could not be measured says so, with the reason.",
        "## Targets",
        _figure_table([figure for section in sections for figure in section.figures if figure.target]),
    ]
    for section in sections:
        made = [section.made.sentence] if section.made and section.is_measured else []
        blocks += [f"## {section.title}", section.text, *made]
        blocks += [f"![{section.title}]({section.picture})"] if section.picture else []
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
