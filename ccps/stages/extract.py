"""From stored states to the 75 stability features; needs the head, never the model's layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.artifacts import ROWS, Artifact
from ccps.console import say
from ccps.errors import expected
from ccps.llm.memory import OutOfMemory, attempt
from ccps.perturbation import FEATURE_NAMES, Direction, stability_features
from ccps.perturbation.rays import MAX_SCRATCH_BYTES
from ccps.stages.config import PerturbationConfig
from ccps.stages.kept import all_empty
from ccps.stages.model import load_head
from ccps.stages.stage import Stage, Work

# Enough tokens that the head's weight is read seldom, few enough that little is lost when a run is killed.
_ANSWER_SHARDS_PER_SHARD = 8


class ExtractStage(Stage):
    """Feature rows of every answer token: question id, token index and id, and one float32 column per feature."""

    name = "extract"
    unit = "shards"
    independent = True

    def __init__(
        self,
        answers: Artifact,
        head: Artifact,
        label: str,
        config: PerturbationConfig,
        direction: Direction = "gradient",
    ) -> None:
        super().__init__()
        self.answers = answers
        self.head = head
        self.label = label
        self.config = config
        self.direction = direction

    @property
    def title(self) -> str:
        """What is extracted, and how far it is pushed."""
        along = "" if self.direction == "gradient" else f" along {self.direction} directions"
        return f"{self.label}, radius {self.config.radius:g} in {self.config.steps} steps{along}"

    def inputs(self) -> Mapping[str, Any]:
        """The states, the head, and the perturbation."""
        return {
            "answers": self.answers.key,
            "head": self.head.key,
            "radius": float(self.config.radius),
            "steps": self.config.steps,
            "direction": self.direction,
            # Blocks of another size round differently in the last bits.
            **({"max_scratch_mib": self.config.max_scratch_mib} if self._scratch_bytes != MAX_SCRATCH_BYTES else {}),
        }

    @property
    def _scratch_bytes(self) -> int:
        return self.config.max_scratch_mib * 2**20

    def prepare(self, device: torch.device) -> None:
        """Load the head in float32, once for all shards."""
        self.layer = load_head(self.head).to(device, torch.float32)
        self.scratch = self._scratch_bytes

    def plan(self) -> Sequence[Sequence[Work]]:
        """Some shards of answers together."""
        shards = list(range(self.answers.manifest["shards"]))
        groups = [shards[i : i + _ANSWER_SHARDS_PER_SHARD] for i in range(0, len(shards), _ANSWER_SHARDS_PER_SHARD)]
        return [[Work(group, len(group))] for group in groups]

    def step(self, content: list[int]) -> pa.Table:
        """Features of all answer tokens of some shards."""
        rows = pa.concat_tables([self.answers.rows(shard).select(["question_id", "answer_ids"]) for shard in content])
        states = torch.cat([self.answers.tensors(shard)["states"] for shard in content])
        answers = rows["answer_ids"].to_pylist()
        tokens = torch.tensor([token for answer in answers for token in answer], dtype=torch.long)
        features = self._features(states, tokens)
        ids = rows["question_id"].to_pylist()
        columns: dict[str, Any] = {
            "question_id": [name for name, answer in zip(ids, answers, strict=True) for _ in answer],
            "token_index": pa.array([index for answer in answers for index in range(len(answer))], pa.int32()),
            "token_id": pa.array(tokens.numpy(), pa.int32()),
        }
        for index, name in enumerate(FEATURE_NAMES):
            columns[name] = pa.array(features[:, index].numpy(), pa.float32())
        return pa.table(columns)

    def _features(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The features, on the CPU; where memory runs out, from now on with half as many logits at a time.

        Raises:
            UserError: there is too little memory for the logits of one token.
        """
        device = self.layer.weight.device
        while isinstance(
            found := attempt(
                lambda: stability_features(
                    states.to(device),
                    self.layer.weight,
                    tokens.to(device),
                    radius=self.config.radius,
                    steps=self.config.steps,
                    max_scratch_bytes=self.scratch,
                    bias=self.layer.bias,
                    softcap=self.layer.softcap,
                    direction=self.direction,
                ).cpu()
            ),
            OutOfMemory,
        ):
            self.scratch //= 2
            if self.scratch < 8 * len(self.layer.weight):  # one token's, in the smallest blocks there are
                raise expected(
                    f"the memory of {device} for {self.title}",
                    "enough for the head and the logits of one token",
                    f"“{found.reason}”",
                    "Set trainer.accelerator=cpu for this stage.",
                )
            say(self.name, self.title, "like all that follow", state="tokens did not fit and are halved")
        return found

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the feature rows."""
        pq.write_table(outputs[0], folder / ROWS)
        return {"tokens": outputs[0].num_rows, "n": outputs[0].num_rows}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the rows and say how often the answer token was the model's first choice.

        Raises:
            UserError: there are none.
        """
        tables = [
            pq.read_table(
                artifact.folder / f"{index:05d}" / ROWS,
                columns=["is_actual_token_original_argmax", "epsilon_to_flip_token"],
            )
            for index in range(len(self.plan()))
        ]
        rows = pa.concat_tables(tables)
        if not rows.num_rows:
            raise all_empty(self.label)
        flips = rows["epsilon_to_flip_token"].to_numpy()
        return {
            "tokens": rows.num_rows,
            "argmax_rate": float(rows["is_actual_token_original_argmax"].to_numpy().mean()),
            "never_flip_rate": float((flips == float("inf")).mean()),
        }
