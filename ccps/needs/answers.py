"""What the answer stage has kept of each answer, for stages that go on from there."""

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError, expected
from ccps.tuning import Answered


def kept_answers(answers: Artifact, most_states: int | None = None) -> list[Answered]:
    """All answers of at least one token, in the order of the rows.

    Args:
        answers: artifact of the answer stage.
        most_states: how many states are kept of each answer, from its first token on, by default all; the others are
            let go, so that what only needs the texts does not hold the states of a whole benchmark.
    """
    kept = []
    for shard in range(answers.n_shards):
        rows = answers.rows(shard).select(["question_id", "text", "prompt_ids", "answer_ids"]).to_pylist()
        states, start = answers.tensors(shard)["states"], 0
        for row in rows:
            end = start + len(row["answer_ids"])
            if end > start:
                own = states[start:end] if most_states is None else states[start:end][:most_states].clone()
                one = Answered(row["question_id"], row["text"], row["prompt_ids"], row["answer_ids"], own)
                kept.append(one)
            start = end
    return kept


def all_empty(label: str) -> UserError:
    """The refusal to go on from nothing but empty answers to the questions of a benchmark."""
    return expected(
        f"the answers to {label}",
        "texts of at least one token",
        "only empty ones",
        "Look at `text` in the rows of the answer stage: the model may want another chat template.",
    )
