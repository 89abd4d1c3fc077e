"""What stages have in common that read stored states and the head: features of one strength, of many, flip radii."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.llm.memory import OutOfMemory, attempt
from ccps.perturbation import Direction
from ccps.perturbation.rays import MAX_SCRATCH_BYTES
from ccps.pipeline.heads import load_head
from ccps.pipeline.stage import Stage, Work

# Enough tokens that the head's weight is read seldom, few enough that little is lost when a run is killed.
_ANSWER_SHARDS_PER_SHARD = 8
_USUAL_MIB = MAX_SCRATCH_BYTES // 2**20


class AnswerTokens(NamedTuple):
    """The tokens of the answers of some shards, answer by answer.

    Attributes:
        question_ids: of every token.
        positions: of every token within its answer, from 0.
        token_ids: `[tokens]`, where the head is.
        states: `[tokens, d]`, where the head is.
    """

    question_ids: list[str]
    positions: list[int]
    token_ids: Tensor
    states: Tensor


class FromStatesStage(Stage):
    """A stage that works on the states of answer tokens; it needs the head, never the model's layers.

    Args:
        answers: what the answer stage left.
        head: of the same model.
        label: what is worked on.
        direction: where the states are pushed.
        max_scratch_mib: MiB of logits that are held at a time.
    """

    unit = "shards"
    independent = True

    def __init__(
        self, answers: Artifact, head: Artifact, label: str, direction: Direction, max_scratch_mib: int
    ) -> None:
        super().__init__()
        self.answers = answers
        self.head = head
        self.label = label
        self.direction = direction
        self.max_scratch_mib = max_scratch_mib
        self.scratch = max_scratch_mib * 2**20

    def inputs(self) -> Mapping[str, Any]:
        """The states, the head, and the direction; and the size of blocks, which decides the last bits."""
        return {
            "answers": self.answers,
            "head": self.head,
            "direction": self.direction,
            **({"max_scratch_mib": self.max_scratch_mib} if self.max_scratch_mib != _USUAL_MIB else {}),
        }

    def prepare(self, device: torch.device) -> None:
        """Load the head in float32, once for all shards."""
        self.layer = load_head(self.head).to(device, torch.float32)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Some shards of answers together."""
        shards = list(range(self.answers.n_shards))
        groups = [shards[i : i + _ANSWER_SHARDS_PER_SHARD] for i in range(0, len(shards), _ANSWER_SHARDS_PER_SHARD)]
        return [[Work(group, len(group))] for group in groups]

    def tokens(self, shards: list[int]) -> AnswerTokens:
        """Read the answer tokens of some shards."""
        rows = pa.concat_tables([self.answers.rows(shard).select(["question_id", "answer_ids"]) for shard in shards])
        states = torch.cat([self.answers.tensors(shard)["states"] for shard in shards])
        answers = rows["answer_ids"].to_pylist()
        device = self.layer.weight.device
        return AnswerTokens(
            [name for name, answer in zip(rows["question_id"].to_pylist(), answers, strict=True) for _ in answer],
            [index for answer in answers for index in range(len(answer))],
            torch.tensor([token for answer in answers for token in answer], dtype=torch.long, device=device),
            states.to(device),
        )

    def within_memory(self, work: Callable[[int], Tensor]) -> Tensor:
        """Do what needs so many bytes of logits, its result on the CPU; where memory runs out, from now on with half.

        Raises:
            UserError: there is too little memory for the logits of one token.
        """
        while isinstance(found := attempt(lambda: work(self.scratch).cpu()), OutOfMemory):
            self.scratch //= 2
            if self.scratch < 8 * len(self.layer.weight):  # one token's, in the smallest blocks there are
                raise expected(
                    f"the memory of {self.layer.weight.device} for {self.title}",
                    "enough for the head and the logits of one token",
                    f"“{found.reason}”",
                    "Set trainer.accelerator=cpu for this stage.",
                )
            say(self.name, self.title, "like all that follow", state="tokens did not fit and are halved")
        return found
