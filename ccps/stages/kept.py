"""What the answer stage has kept of each answer, for stages that go on from there."""

from ccps.artifacts import Artifact
from ccps.errors import UserError, expected
from ccps.tuning import Answered


def kept_answers(answers: Artifact) -> list[Answered]:
    """All answers of at least one token, in the order of the rows."""
    kept = []
    for shard in range(answers.manifest["shards"]):
        rows = answers.rows(shard).select(["question_id", "text", "prompt_ids", "answer_ids"]).to_pylist()
        states, start = answers.tensors(shard)["states"], 0
        for row in rows:
            end = start + len(row["answer_ids"])
            if end > start:
                one = Answered(row["question_id"], row["text"], row["prompt_ids"], row["answer_ids"], states[start:end])
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
