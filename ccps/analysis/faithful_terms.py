"""How the scores of reasoning traces are named, where they come from and how they read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


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
ESTIMATORS = (
    Signal(
        "deepconf",
        "DeepConf",
        "Confidence from the log-probabilities of the best tokens at each place of a step (arXiv 2508.15260): how far "
        "they lie apart, over a fixed divisor and cut at 1. Higher is more confident. It cannot reach 0: its floor is "
        "ln k over the divisor, 0.201 with the usual 5 and 8.",
    ),
    Signal(
        "rcc",
        "RCC",
        "Confidence from hidden states (arXiv 2601.13368): probabilities of the tokens that the step before attends "
        "to, carried on from step to step. In [0, 1], higher is more confident. The value of a trace is the mean over "
        "its steps, in parity mode that of the last.",
    ),
    Signal(
        "sampling",
        "Sampling",
        "Share of what the model says when it writes a step anew, from the same text before it, that agrees with the "
        "step by a judge (arXiv 2606.03969). In [0, 1], higher is more confident. Of long traces a part of the steps "
        "is sampled.",
    ),
    Signal(
        "stability",
        "Stability",
        "How firmly the hidden states hold to the tokens of a step when they are pushed (CCPS, arXiv 2505.21772): "
        "P(correct) by a probe of their stability features, or without one the mean over tokens of r/(r + r0), r being "
        "the exact radius at which the token flips. In [0, 1], higher is more confident.",
    ),
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
    Signal(
        "answer_stability",
        "Answer stability",
        "Stability, as above, on the tokens of the final answer. Higher is more confident.",
    ),
)
_LABELS = MappingProxyType({signal.name: signal.label for signal in (DECISIVENESS, *ESTIMATORS, *ANSWER_SIGNALS)})
_BY_STABILITY = ("stability", "answer_stability")
_KINDS = MappingProxyType({"confidence_": "C", "faithfulness_": "F", "gap_": "D − C"})

TERMS = (
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


def label_of(name: str) -> str:
    """A score as readers see it: `rcc` is "RCC", `confidence_rcc` is "C, RCC"; unknown names stay."""
    for prefix, symbol in _KINDS.items():
        if name.startswith(prefix):
            return f"{symbol}, {label_of(name.removeprefix(prefix))}"
    return _LABELS.get(name, name)


def behind(name: str, judges: Mapping[str, str]) -> str:
    """What stands behind a score in this run, in words; empty if there is nothing to say.

    Args:
        name: of the score; that of answers is made as that of steps.
        judges: see `FaithfulData`.
    """
    return judges.get("stability" if name in _BY_STABILITY else name, "")


def label_with(name: str, judges: Mapping[str, str]) -> str:
    """As `label_of`; stability, of which there are two kinds, with what stands behind it ("Stability (CCPS probe)")."""
    words = behind(name, judges) if name in _BY_STABILITY else ""
    return f"{label_of(name)} ({words})" if words else label_of(name)
