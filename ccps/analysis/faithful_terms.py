"""How the scores of reasoning traces are named, where they come from and how they read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ccps.estimators.base import ESTIMATORS
from ccps.estimators.given import PREFIX, given_label


class Signal(NamedTuple):
    """A score in [0, 1] of a step or of an answer."""

    name: str
    label: str
    gloss: str
    """Its source, direction and range."""


DECISIVENESS = Signal(
    "decisiveness",
    "Decisiveness",
    "How certain the words of a step sound, from the words alone, whether they are true or not: from 0, hesitant, to "
    "1, leaving no doubt. Of a trace: the mean over its steps.",
)
ANSWER_SIGNALS = (
    Signal(
        "p_true",
        "P(True)",
        "Probability the model gives to its final answer being true, when it is asked. Higher is more confident.",
    ),
    Signal(
        "answer_probability",
        "Answer probability",
        "Probability the model gave to the tokens of its final answer. Higher is more confident.",
    ),
)
_OF_ANSWER = "answer_"
_KINDS = MappingProxyType({"confidence_": "C", "faithfulness_": "F", "gap_": "D − C"})

TERMS = (
    Signal(
        "given",
        "(given)",
        "A score of steps that came with the traces, computed by whoever made them. In [0, 1]; it stands behind “1 −” "
        "where a high score means little confidence.",
    ),
    Signal(
        "faithfulness",
        "F, faithfulness",
        "1 − |D − C| of a step, D its decisiveness and C its confidence; of a trace the mean over the steps that have "
        "both. It says nothing about the answer being right.",
    ),
    Signal("mfg", "MFG", "Mean faithfulness over traces (arXiv 2405.16908)."),
    Signal(
        "cmfg",
        "cMFG",
        "Mean over ten bins of confidence of equal width: as if every confidence were as common as any other.",
    ),
    Signal(
        "cmfg_star",
        "cMFG*",
        "Mean over ten bins of equally many traces, weighted by the width of the bin, so over the confidences that "
        "occur (arXiv 2606.03969). A narrow range of confidence makes it high whatever is said: read it beside its "
        "baselines, and do not compare it between estimators.",
    ),
    Signal(
        "best_constant",
        "Best constant",
        "The score if every step sounded equally certain, by the one degree that scores best, chosen after the fact.",
    ),
    Signal(
        "permutation",
        "Dealt at random",
        "The score expected if the decisiveness of all steps were dealt out anew among them, across traces.",
    ),
    Signal("always_decisive", "Always decisive", "The score if every step sounded entirely certain."),
    Signal("excess", "Excess", "The score less a baseline: above 0, the words say more than the baseline does."),
    Signal("gap", "D − C", "Mean of decisiveness less confidence: above 0, the words are surer than the model."),
    Signal(
        "spearman",
        "ρ",
        "Spearman’s rank correlation of decisiveness with confidence: across traces, and from step to step within a "
        "trace, averaged over traces.",
    ),
)


def estimator_signals() -> list[Signal]:
    """Every estimator of confidence."""
    return [Signal(name, one.label, one.description) for name, one in ESTIMATORS.items()]


def answer_signals() -> list[Signal]:
    """What speaks of the final answer, estimators that read it included."""
    return [
        *ANSWER_SIGNALS,
        *(
            Signal(
                f"{_OF_ANSWER}{name}",
                f"Answer {one.label.lower() if one.label.istitle() else one.label}",
                f"{one.label}, as above, on the tokens of the final answer. Higher is more confident.",
            )
            for name, one in ESTIMATORS.items()
            if one.reads_answer
        ),
    ]


def label_of(name: str) -> str:
    """A score as readers see it: `rcc` is "RCC", `confidence_rcc` is "C, RCC"; unknown names stay."""
    for prefix, symbol in _KINDS.items():
        if name.startswith(prefix):
            return f"{symbol}, {label_of(name.removeprefix(prefix))}"
    if name.startswith(PREFIX):
        return given_label(name)
    signals = (DECISIVENESS, *estimator_signals(), *answer_signals())
    return next((signal.label for signal in signals if signal.name == name), name)


def behind(name: str, judges: Mapping[str, str]) -> str:
    """What stands behind a score in this run, in words; empty if there is nothing to say.

    Args:
        name: of the score; that of answers is made as that of steps.
        judges: see `FaithfulData`.
    """
    return judges.get(name.removeprefix(_OF_ANSWER), "")


def label_with(name: str, judges: Mapping[str, str]) -> str:
    """As `label_of`; of an estimator that has kinds with what stands behind it ("Stability (CCPS probe)")."""
    estimator = ESTIMATORS.get(name.removeprefix(_OF_ANSWER))
    words = behind(name, judges) if estimator is not None and estimator.has_kinds else ""
    return f"{label_of(name)} ({words})" if words else label_of(name)
