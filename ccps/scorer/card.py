"""What a saved scorer says of itself: `summary.json` for programs, `README.md` for people."""

import json
from pathlib import Path

from ccps.calibrators import Calibrator, LogitMap
from ccps.core.errors import expected
from ccps.core.stored import read_json, write_json
from ccps.core.text import decimal, listed
from ccps.methods import find_method
from ccps.methods.stored_scorer import ScorerSettings
from ccps.metrics import METRICS
from ccps.scorer.held_out import TARGET, HeldOut
from ccps.scorer.summary import Summary

SUMMARY = "summary.json"
FORMAT_VERSION = 1
_FORMATS = {"mc": "multiple-choice questions", "oe": "open-ended questions"}


def load_summary(folder: Path) -> Summary | None:
    """Read `summary.json`; None where there is none.

    Raises:
        UserError: the file is broken.
    """
    path = folder / SUMMARY
    if not path.is_file():
        return None
    way_out = "Save the scorer again."
    stored = read_json(path, "the summary of a scorer", FORMAT_VERSION, Summary.__dataclass_fields__, way_out)
    try:
        return Summary.from_json(stored)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise expected(f"`{path}`", "the summary of a scorer", str(error), way_out) from error


def save(
    folder: Path,
    settings: ScorerSettings,
    summary: Summary | None,
    held_out: HeldOut | None,
    shift: Calibrator | None,
    licence: str | None,
) -> None:
    """Write `summary.json`, if there is a summary, and `README.md`."""
    if summary is not None:
        write_json(folder / SUMMARY, FORMAT_VERSION, summary.to_json())
    parts = [
        _header(settings, licence),
        _what(settings),
        _data(summary, licence),
        _metrics(summary),
        _labels(held_out, shift),
        _limits(settings, summary),
    ]
    (folder / "README.md").write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def _header(settings: ScorerSettings, licence: str | None) -> str:
    """What the hub reads of a card; values as JSON, which is YAML."""
    fields: dict[str, object] = {"library_name": "ccps", "tags": ["confidence", "calibration", "ccps"]}
    if licence:
        fields["license"] = licence
    if settings.model.source == "hub" and settings.model.location:
        fields["base_model"] = settings.model.location
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---"])


def _what(settings: ScorerSettings) -> str:
    method = find_method(settings.method, settings.calibrator)
    return f"""# Confidence in the answers of {settings.model_name}

P(correct) of each answer of `{settings.model_name}` ({settings.model.dtype}) to {_FORMATS[settings.format]},
a number from 0 to 1; higher means more confident. Method: {method.label} ({method.source}).

```python
from ccps import ConfidenceScorer

scorer = ConfidenceScorer.load("PATH OR ID OF THIS REPOSITORY", location="PATH OR ID OF THE MODEL")
scorer.predict_proba(questions)
```

The model itself is not here. It must be the same, in the same dtype; its fingerprint is `{settings.fingerprint}`,
and any other is refused."""


def _data(summary: Summary | None, licence: str | None) -> str:
    lines = ["## Data", ""]
    if summary is None:
        lines.append("Not recorded here: the scorer was saved without a summary of its fit.")
    else:
        lines.append(
            f"Fitted to {summary.n} answers, of which {summary.right} were right: a base rate of "
            f"{decimal(100 * summary.base_rate, 1)} %."
        )
        lines.append(f"Where they come from: {summary.data or 'not stated'}.")
        lines += [f"Left out: {number} ({reason})." for reason, number in summary.left_out.items()]
    lines += ["", f"Licence of the scorer: {licence or 'not stated'}. That of the model and of the data is their own."]
    return "\n".join(lines)


def _metrics(summary: Summary | None) -> str:
    if summary is None:
        return ""
    lines = [
        "## How well it does",
        "",
        "On the answers it was fitted to, each scored by a fit that had not seen its question; 95 % intervals.",
        "",
        "| metric | value | interval |",
        "|---|---|---|",
    ]
    for name, one in summary.metrics.items():
        ends = f"{decimal(one.low, 3)} to {decimal(one.high, 3)}"
        lines.append(f"| {METRICS[name].heading} | {decimal(one.value, 3)} | {ends} |")
    if summary.not_told_apart:
        lines += ["", f"Not told apart from it by Brier score: {listed(summary.not_told_apart)}."]
    return "\n".join(lines)


def _labels(held_out: HeldOut | None, shift: Calibrator | None) -> str:
    lines = []
    if shift is not None and isinstance(shift.map, LogitMap):
        lines.append(
            f"Recalibrated with {shift.answers} labels of other questions, {shift.right} of them right: "
            f"{shift.map.intercept:+.3f} to all log-odds."
        )
    if held_out is not None:
        kind = (
            "labels that were given after fitting"
            if held_out.basis == TARGET
            else "what it said out of fold of the answers it was fitted to, which is nearly, not exactly, what a "
            "guarantee asks for: give `certify` labels that fitted nothing for that"
        )
        lines.append(f"Thresholds are certified on {len(held_out.correct)} answers: {kind}.")
    return "\n".join(["## Base rate and thresholds", "", *lines]) if lines else ""


def _limits(settings: ScorerSettings, summary: Summary | None) -> str:
    lines = [
        "## Limits",
        "",
        "- It knows questions like those it was fitted to. On others its order may hold, not its level: label some "
        "and call `recalibrate`.",
        "- It says how probable it is that an answer is right, not which answer would be.",
        "- An answer to a question that is put otherwise (`manner` in `scorer.json`) is another answer.",
    ]
    lines += [f"- Note: {warning}" for warning in (summary.warnings if summary else ())]
    return "\n".join(lines)
