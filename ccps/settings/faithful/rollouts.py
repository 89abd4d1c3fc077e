"""Traces with what else was said at each of their steps, made elsewhere."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, setting


@dataclass
class RolloutSettings:
    """Where traces with rollouts lie, and what of them is read. Each model among them is a run of its own."""

    path: str | None = setting(
        None,
        "a file of traces whose steps bring `alternatives` or scores (`ccps.reasoning.jsonl`), a folder in a layout of "
        "Thought Anchors (`ccps.reasoning.thought_anchors`), or `hub:OWNER/NAME` for such a data set of the hub",
    )
    only: list[str] = setting(
        [], "patterns of which one must fit a trace's id (`*llama-8b/*`, `*/problem_33*`); none takes all"
    )
    alternatives: bool = setting(
        True, "whether what was said instead is read; false takes the given scores alone, which is little to download"
    )
    k: int | None = setting(
        None, "the first so many alternatives of each step; null takes all", at_least=1, at_most=LARGEST_COUNT
    )
    scores: list[str] | None = setting(
        None, "which given scores are read, each an estimator of its own; null takes every number of a step"
    )
    inverted: list[str] = setting(
        ["different"], "scores of which a high one means little confidence: 1 − score is taken"
    )
    dataset: str = setting("rollouts", "what the traces answer, for tables and headings")
    quoted: bool = setting(
        False,
        "whether `report.md` quotes steps. The texts are somebody else's: `report.html` shows them, for yourself, in "
        "any case",
    )
