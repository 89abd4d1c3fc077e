"""What a summary counts by reason: what was left out and why, as numbers that nobody has to find in a name."""

import re
from collections.abc import Mapping
from typing import Any

BY_REASON = "by_reason"
"""Where a summary holds what is counted by reason: {"unknown": {"no accepted answer": 2}}."""


def with_reasons(counts: Mapping[str, Any]) -> dict[str, Any]:
    """A summary out of numbers, words, and mappings from reasons to numbers, which go to where `reasons` finds them."""
    by_reason = {name: dict(value) for name, value in counts.items() if isinstance(value, Mapping) and value}
    plain = {name: value for name, value in counts.items() if not isinstance(value, Mapping)}
    return {**plain, BY_REASON: by_reason} if by_reason else plain


def figures_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary as readers see it, in which each reason has a name of its own: "unknown (no accepted answer)"."""
    figures = dict(summary)
    for what, by_reason in figures.pop(BY_REASON, {}).items():
        figures |= {f"{what} ({reason})": number for reason, number in by_reason.items()}
    return dict(sorted(figures.items()))


def renewed(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary as it is written now: what is read back by reason once stood in names of its own."""
    old = {name: found for name in summary if (found := re.fullmatch(r"(unknown|not scored|dropped) \((.+)\)", name))}
    by_reason: dict[str, dict[str, int]] = summary.get(BY_REASON, {})
    for name, found in old.items():
        by_reason.setdefault(found[1], {})[found[2]] = summary[name]
    plain = {name: value for name, value in summary.items() if name not in old}
    return {**plain, BY_REASON: by_reason} if by_reason else plain
