"""What the answer stage has kept of each answer, for stages that go on from there."""

from ccps.artifacts import Artifact
from ccps.tuning import Answered


def kept_answers(answers: Artifact) -> list[Answered]:
    """All answers of at least one token, in the order of the rows."""
    kept = []
    for shard in range(answers.manifest["shards"]):
        rows = answers.rows(shard).select(["question_id", "prompt_ids", "answer_ids"]).to_pylist()
        states, start = answers.tensors(shard)["states"], 0
        for row in rows:
            end = start + len(row["answer_ids"])
            if end > start:
                kept.append(Answered(row["question_id"], row["prompt_ids"], row["answer_ids"], states[start:end]))
            start = end
    return kept
