"""How the language model is asked."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, setting


@dataclass
class AnsweringConfig:
    """How the language model is asked."""

    method: str = setting(
        "greedy",
        "of multiple choice: `greedy` takes the most probable token as the answer; `letters` the most "
        "probable option letter",
        one_of=("greedy", "letters"),
    )
    prompt: str = setting(
        "strict",
        "`strict` uses the chat template's token ids; `parity` tokenises the rendered text again, as the "
        "released code does, which doubles the BOS token of some models",
        one_of=("strict", "parity"),
    )
    max_new_tokens: int = setting(
        30, "after so many tokens an open-ended answer is cut off (the paper's code: 30)", at_least=1, at_most=1_000_000
    )
    max_batch_tokens: int = setting(
        1024, "rows times width of a batch; bounds memory", at_least=1, at_most=LARGEST_COUNT
    )
    shard_questions: int = setting(
        64, "questions per shard: the most that is lost when a run is killed", at_least=1, at_most=1_000_000
    )
