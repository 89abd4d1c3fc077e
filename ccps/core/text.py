"""How numbers and names are written down in plain words."""

import math
import re
from collections.abc import Sequence

DASH = "–"
MINUS = "\N{MINUS SIGN}"
_EXCERPT = 200
# Characters of what a library says; some list every architecture there is.
_LONGEST = 500


def decimal(value: float, digits: int = 1) -> str:
    """A number with fixed digits and a true minus sign; an en dash when it is NaN, never "-0.0"."""
    if math.isnan(value):
        return DASH
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        return text.lstrip("-")
    return text.replace("-", MINUS)


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction in percent, without the sign "%"."""
    return decimal(100.0 * fraction, digits)


def signed_points(fraction: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    text = percent(fraction)
    return text if text[0] in (MINUS, DASH) or float(text) == 0.0 else f"+{text}"


def interval(low: float, high: float) -> str:
    """An interval of fractions in percent, "[lo, hi]"; empty when an end is missing."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{percent(low)}, {percent(high)}]"


def level_words(level: float) -> str:
    """A level of intervals, "95 %"."""
    return f"{level:.0%}".replace("%", " %")


def scaled(value: float, scale: str) -> str:
    """A fraction as its scale reads: "−55.0 %" (relative), "+5.0 points", "12.3 %" (value) or "0.123" (correlation)."""
    if math.isnan(value):
        return DASH
    if scale == "correlation":
        return decimal(value, 3)
    if scale == "value":
        return f"{percent(value)} %"
    return f"{signed_points(value)} {'%' if scale == 'relative' else 'points'}"


def scaled_interval(low: float, high: float, scale: str) -> str:
    """An interval of such figures without their unit; empty when an end is missing."""
    if math.isnan(low) or math.isnan(high):
        return ""
    if scale == "correlation":
        return f"[{decimal(low, 3)}, {decimal(high, 3)}]"
    written = percent if scale == "value" else signed_points
    return f"[{written(low)}, {written(high)}]"


def count(number: float) -> str:
    """A count with thousands commas."""
    return DASH if math.isnan(number) else f"{number:,.0f}"


def count_range(numbers: Sequence[float]) -> str:
    """A count, or lowest–highest where the numbers differ; missing ones are ignored."""
    known = sorted({number for number in numbers if not math.isnan(number)})
    if not known:
        return DASH
    return count(known[0]) if len(known) == 1 else f"{count(known[0])}–{count(known[-1])}"


def plain_number(number: float | str) -> str:
    """A count, a share with up to four digits, or the text that was given."""
    if isinstance(number, str):
        return number
    return count(number) if math.isnan(number) or float(number).is_integer() else f"{number:.4g}"


def excerpt(text: str) -> str:
    """A text on one line, cut with an ellipsis to 200 characters; "(empty)" when there is nothing to see."""
    line = " ".join(text.split()) or "(empty)"
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1].rstrip()}…"


def byte_size(number: float) -> str:
    """Bytes in the largest decimal unit that leaves at least 1."""
    if math.isnan(number):
        return DASH
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"


def duration(seconds: float) -> str:
    """Seconds, or minutes and hours when there are many."""
    if math.isnan(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{seconds / 60:.1f} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def seconds_each(seconds: float) -> str:
    """The time for one item: seconds, milliseconds or microseconds."""
    if math.isnan(seconds):
        return DASH
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.01:
        return f"{1000 * seconds:.0f} ms"
    return f"{1000 * seconds:.2f} ms" if seconds >= 1e-5 or seconds == 0 else f"{1e6 * seconds:.2f} µs"


def listed(names: Sequence[str]) -> str:
    """Names as prose: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def slug(*names: str) -> str:
    """Names as part of a file name: lower case, only letters, digits, dots and hyphens."""
    return "-".join(re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") for name in names)


def in_short(error: BaseException) -> str:
    """What a library says of a file, in a line or two; its kind where it says nothing."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said.rstrip(".") if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
