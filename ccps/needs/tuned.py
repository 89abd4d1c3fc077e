"""Ask the model about its own answers, once it has been tuned to judge them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.asking.follow_up import QUERY
from ccps.core.artifacts import ROWS, Artifact
from ccps.llm import Passage, common_prefix, compute_prefix, final_states, letter_tokens, plan_batches
from ccps.llm.memory import in_parts
from ccps.needs.adapter import AdapterStage
from ccps.needs.answers import all_empty, kept_answers
from ccps.needs.asked import Asked
from ccps.needs.tune import adapter_folder
from ccps.pipeline.stage import Work, in_shards
from ccps.tuning import Adapter, ask_about


class AskTunedStage(AdapterStage):
    """Rows of question id and the logits of "no" and "yes"; empty answers are not asked about.

    Args:
        asked: questions with answers.
        tuned: artifact of the tune stage.
    """

    name = "ask_tuned"
    independent = True

    def __init__(self, asked: Asked, tuned: Artifact) -> None:
        super().__init__()
        self.asked = asked
        self.tuned = tuned

    @property
    def title(self) -> str:
        """Benchmark, model, and how it was tuned."""
        aim = "calibration" if self.tuned.inputs["recipe"]["divergence_weight"] else "instruction"
        return f"{self.asked.label}, {self.asked.model.name}, {aim} tuning"

    def inputs(self) -> Mapping[str, Any]:
        """The answers, the adapter and the query; batching too, which decides the last bits."""
        return {
            "answers": self.asked.answers,
            "tuned": self.tuned,
            "query": QUERY,
            "max_batch_tokens": self.asked.manner.max_batch_tokens,
            "shard_questions": self.asked.config.answering.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out all conversations.

        Raises:
            UserError: there is no answer to ask about, or a conversation is too long.
        """
        self.lm = self.asked.model.get(device)
        kept = kept_answers(self.asked.answers, most_states=0)
        if not kept:
            raise all_empty(self.asked.label)
        self.ids = [one.question_id for one in kept]
        self.letters = letter_tokens(self.lm, 2)
        self.conversations = ask_about(self.lm, kept, self.asked.questions[0], self.asked.manner)
        self.shared = common_prefix(self.conversations)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        lengths = [len(tokens) - self.shared for tokens in self.conversations]
        batches = plan_batches(lengths, self.asked.manner.max_batch_tokens)
        return in_shards(batches, self.asked.config.answering.shard_questions)

    def put_on(self) -> Callable[[], None]:
        """The adapter, with which what all conversations share is read too."""
        adapter = Adapter.load(self.lm, adapter_folder(self.tuned))
        self.prefix = compute_prefix(self.lm, self.conversations[0][: self.shared])
        return adapter.take_off

    def step(self, content: list[int]) -> pa.Table:
        """Ask about one batch of answers, given by their positions; in parts if memory runs out."""
        no, yes = torch.stack(in_parts(self._no_yes, content, self.lm.files.name)).T.numpy()
        tokens = [len(self.conversations[index]) - self.shared for index in content]
        return pa.table({"question_id": [self.ids[index] for index in content], "no": no, "yes": yes, "tokens": tokens})

    @torch.inference_mode()
    def _no_yes(self, batch: list[int]) -> list[torch.Tensor]:
        """The two logits `[2]` float32 of each answer."""
        states = final_states(self.lm, [Passage(self.conversations[index]) for index in batch], self.prefix)
        return list(self.lm.own_logits(torch.cat(states))[:, self.letters].float().cpu())

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the logits."""
        rows = pa.concat_tables(outputs)
        pq.write_table(rows.drop(["tokens"]), folder / ROWS)
        return {"n": rows.num_rows, "tokens": sum(rows["tokens"].to_pylist())}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the answers that were asked about, and the share the model calls correct."""
        rows = artifact.written_rows().to_pandas()
        return {"asked": len(rows), "says_yes": float((rows["yes"] > rows["no"]).mean())}


def read_no_yes(artifact: Artifact, question_ids: Sequence[str]) -> npt.NDArray[np.float32]:
    """The logits of "no" and "yes" `[answers, 2]` for some questions, in their order."""
    rows = artifact.rows().to_pandas().set_index("question_id")
    logits: npt.NDArray[np.float32] = rows.loc[list(question_ids), ["no", "yes"]].to_numpy(dtype=np.float32)
    return logits
