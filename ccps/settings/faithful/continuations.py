"""How steps are said again."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_SEED, LEAST_TEMPERATURE, setting


@dataclass
class ContinuationSettings:
    """How steps are said again."""

    k: int = setting(10, "continuations of each step", at_least=1, at_most=100_000)
    temperature: float = setting(
        0.8,
        "logits are divided by it; the paper's is hotter than that of the traces",
        at_least=LEAST_TEMPERATURE,
        at_most=1000,
    )
    top_p: float = setting(
        0.95,
        "tokens are drawn from the fewest that have so much of the probability together",
        above=0,
        at_most=1,
    )
    max_new_tokens: int = setting(
        200, "after so many tokens a continuation is cut off", at_least=1, at_most=LARGEST_COUNT
    )
    max_steps: int = setting(
        20,
        "steps of a trace that are taken: the first, the last and a random choice of the others",
        at_least=2,
        at_most=1_000_000,
    )
    seed: int = setting(42, "of the choice and of the draws", at_least=0, at_most=LARGEST_SEED)
    stop_at_paragraph: bool = setting(
        True,
        "whether nothing is drawn beyond the first paragraph, as nothing beyond it is judged. The released "
        "code draws all tokens and cuts then, to the same paragraph",
    )
