"""How further answers to a question are drawn."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_SEED, LEAST_TEMPERATURE, setting


@dataclass
class SamplesConfig:
    """How further answers are drawn."""

    k: int = setting(5, "answers drawn for each question", at_least=2, at_most=10_000)
    temperature: float = setting(1.0, "logits are divided by it", at_least=LEAST_TEMPERATURE, at_most=1000)
    top_p: float = setting(
        0.95,
        "tokens are drawn from the fewest that have so much of the probability together; the "
        "default is that of Calibration-Tuning (arXiv 2406.08391), which draws 10 answers",
        above=0,
        at_most=1,
    )
    seed: int = setting(
        23,
        "of the draws. What is drawn depends on nothing but seed, question id and logits; and the first "
        "answers of a question are the same for every `k`",
        at_least=0,
        at_most=LARGEST_SEED,
    )
    nli_model: str | None = setting(
        None,
        "a sequence classification model (folder or hub id) that tells which open-ended answers entail each "
        "other; null to compare normalised texts",
        not_empty=True,
    )
