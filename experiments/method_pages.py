"""A page for every method, made of what its class says of itself and of a committed page of results.

python -m experiments.method_pages

Writes docs/methods/*.md. Figures are read from docs/results/embedded_full.md, so that no page of a method can say
another number than the page of results does; a method that stands on no page of results has none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from ccps.methods.base import Method, TrainedMethod
from ccps.methods.registry import METHODS
from ccps.needs.base import NEEDS, is_portable

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "results" / "embedded_full.md"
FORMATS = {"mc": "multiple choice", "oe": "open-ended"}
TESTS = {"mc": "mmlu", "oe": "mmlu\\_oe"}
UNTRAINED = {"mc": "Option probability", "oe": "Sequence probability"}
"""What a method's figures are held against, as the page of results does."""

CHOICE = """\
A run chooses by itself: every light method is fitted out of fold to the training answers, the one of the lowest Brier
score is named on the report's first screen, and any can be taken along. This page is for choosing by hand."""
MEASURED = """\
Qwen2.5-Coder-1.5B-Instruct, 2,000 training answers of each format, every method given the same 100 labels of the test
([all of it](../results/embedded_full.md)). ▲ better, ▼ worse, · not to be told apart; in brackets 95 % intervals."""

AnyMethod = Method | TrainedMethod
Rows = Mapping[str, Mapping[str, str]]


def main() -> None:
    """Write all pages."""
    for name, text in pages(RESULTS.read_text(encoding="utf-8")).items():
        (DOCS / "methods" / name).write_text(text, encoding="utf-8")


def pages(results: str) -> dict[str, str]:
    """All pages by file name, `index.md` first.

    Args:
        results: a page of results in Markdown.
    """
    methods = [METHODS[name] for name in METHODS]
    measured = {form: _measured(results, form) for form in FORMATS}
    own = {f"{method.name}.md": "\n".join(_page(method, measured)) + "\n" for method in methods}
    return {"index.md": "\n".join(_index(methods, measured)) + "\n", **own}


def _measured(results: str, form: str) -> dict[str, dict[str, str]]:
    """By a method's label: its row of the table with 100 labels, and that of its costs."""
    with_labels = _table(results, rf"{TESTS[form]}, 100 labels")
    costs = _table(results[results.index("## What each method costs") :], TESTS[form])
    return {label: {**row, **costs.get(label, {})} for label, row in with_labels.items()}


def _table(text: str, heading: str) -> dict[str, dict[str, str]]:
    """The first table below a heading that ends so: its rows by their first cell."""
    start = re.search(rf"^### .* · {re.escape(heading)}$", text, re.MULTILINE)
    assert start, f"the page of results has no table {heading}"
    below = dropwhile(lambda line: not line.startswith("|"), text[start.end() :].splitlines())
    lines = takewhile(lambda line: line.startswith("|"), below)
    names, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows if not row[0].startswith("*")}


def _page(method: AnyMethod, measured: Mapping[str, Rows]) -> Iterator[str]:
    docstring = type(method).__doc__
    assert docstring, f"{method.name} has no docstring"
    yield f"# {method.label}\n\n{docstring.splitlines()[0]}\n"
    yield "| | |\n|---|---|"
    yield from (f"| {what} | {words} |" for what, words in _facts(method))
    yield "\n## How good it is, and what it costs\n"
    yield from _figures(method, measured)
    yield "\n## What comes from its source, and what is ours\n"
    # The class alone: what its functions do is said once, at the interface.
    kind = type(method)
    yield f"::: {kind.__module__}.{kind.__name__}\n    options:\n      members: false\n      heading_level: 3"


def _facts(method: AnyMethod) -> Iterator[tuple[str, str]]:
    yield "in settings", f"`method=[{method.name}]`"
    yield "what it is", _cell(method.source)
    yield "answers", " and ".join(words for form, words in FORMATS.items() if form in method.formats)
    yield "reads", ", ".join(_reads(method)) or "the answer's text alone"
    yield "learns", "from graded training answers" if isinstance(method, TrainedMethod) else "nothing"
    yield "is a probability as it is", "yes" if _is_probability(method) else "no: put a calibrator on it"
    if method.takes:
        yield "takes", method.takes
    yield "can be taken along", "yes, as a scorer" if is_portable(method) else "no"


def _reads(method: AnyMethod) -> Iterator[str]:
    if method.reads_features:
        along = "" if method.direction == "gradient" else f", along {method.direction} directions"
        yield f"the 75 features of every answer token{along}"
    needs = method.reads()
    yield from (f"`{name}`" for name in NEEDS if name in needs)
    yield from (f"`{name}` in training" for name in NEEDS if name in method.reads(for_training=True) - needs)


def _is_probability(method: AnyMethod) -> bool:
    return isinstance(method, TrainedMethod) or method.is_probability


def _figures(method: AnyMethod, measured: Mapping[str, Rows]) -> Iterator[str]:
    found = {form: row for form in FORMATS for row in [_row(method, measured[form])] if row}
    if not found:
        yield "Not on the committed pages of results, for what it takes."
        return
    yield f"{MEASURED} Time is that of one question if the method ran alone, on two cores without GPU.\n"
    yield "| test | against | AUROC | Brier | ECE | time | training |\n|---|---|--:|--:|--:|--:|--:|"
    for form, row in found.items():
        yield _row_of(TESTS[form], UNTRAINED[form], *_differences(row, form), *_costs(row))


def _row(method: AnyMethod, rows: Rows) -> Mapping[str, str] | None:
    """Of a method without a calibrator, or of the one there is with one."""
    return rows.get(method.label) or rows.get(f"{method.label}, Platt")


def _differences(row: Mapping[str, str], form: str) -> list[str]:
    # The one that the others are held against has no difference to itself.
    return [row[f"{metric} less {UNTRAINED[form]}’s"] or "–" for metric in ("AUROC", "Brier", "ECE")]


def _costs(row: Mapping[str, str]) -> list[str]:
    return [row[name] for name in ("Time per question", "Training")]


def _index(methods: Sequence[AnyMethod], measured: Mapping[str, Rows]) -> Iterator[str]:
    yield "# Which method?\n"
    yield f"{CHOICE}\n\n{MEASURED}\n"
    for form, words in FORMATS.items():
        yield f"## {words.capitalize()}, against {UNTRAINED[form].lower()}\n"
        yield "| method | AUROC | Brier | ECE | time | training |\n|---|--:|--:|--:|--:|--:|"
        for method in methods:
            row = _row(method, measured[form])
            if row and not method.is_control:
                yield _row_of(f"[{method.label}]({method.name}.md)", *_differences(row, form), *_costs(row))
        yield ""
    yield "## All methods\n"
    yield "| method | what it is | reads | learns |\n|---|---|---|---|"
    for method in methods:
        learns = "yes" if isinstance(method, TrainedMethod) else "no"
        control = " (control)" if method.is_control else ""
        link = f"[`{method.name}`]({method.name}.md){control}"
        yield _row_of(link, _cell(method.source), ", ".join(_reads(method)), learns)


def _row_of(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(words: Any) -> str:
    return str(words).replace("|", "\\|")


if __name__ == "__main__":
    main()
