"""How traces are generated, and traces that were made elsewhere."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_K, LARGEST_SEED, LEAST_TEMPERATURE, MISSING, setting

STATES = ("pre_norm", "post_norm", "final")


@dataclass
class TraceSettings:
    """How traces are generated, and what is kept of each token. The defaults are those of arXiv 2606.03969."""

    temperature: float = setting(0.6, "logits are divided by it", at_least=LEAST_TEMPERATURE, at_most=1000)
    top_p: float = setting(
        1.0,
        "tokens are drawn from the fewest that have so much of the probability together",
        above=0,
        at_most=1,
    )
    max_new_tokens: int = setting(20480, "after so many tokens a trace is cut off", at_least=1, at_most=LARGEST_COUNT)
    alternatives: int = setting(
        5,
        "of how many of the likeliest tokens the log-probability is kept at each position",
        at_least=1,
        at_most=LARGEST_K,
    )
    seed: int = setting(
        42,
        "of the draws. What is written depends on nothing but seed, question id and logits",
        at_least=0,
        at_most=LARGEST_SEED,
    )
    traces_per_question: int = setting(
        1, "the first ones of a question are the same whatever their number", at_least=1, at_most=1_000_000
    )
    max_batch_tokens: int = setting(
        32768,
        "rows times width of what is written at a time, what all prompts share left out; a text that ends makes room "
        "for others of its shard",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    states: list[str] = setting(
        [],
        "which are kept beyond what estimators ask for, see `ccps.llm.reading.TraceReading`: of `pre_norm` and "
        "`post_norm` (of every token of prompt and trace, before the final norm and after it) and `final` (what "
        "predicted each token of the trace)",
        one_of=STATES,
    )


@dataclass
class TraceFile:
    """Traces made elsewhere."""

    path: str = setting(MISSING, "JSONL, see `ccps.reasoning.jsonl`")
    model: str = setting(
        "unknown",
        "name of what made them; if it is a key of `model`, that model reads them (log-probabilities, states,"
        " continuations), which takes their token ids and those of their prompts",
    )
    dataset: str = setting("file", "what they answer")
    prompt: str = setting("baseline", "name of the prompt condition they were made under")
