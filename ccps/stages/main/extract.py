"""From stored states to the 75 stability features; needs the head, never the model's layers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.needs.answers import all_empty
from ccps.perturbation import FEATURE_NAMES, Direction, stability_features
from ccps.perturbation.ways import Way
from ccps.pipeline.heads import load_head
from ccps.settings.perturbation import PerturbationConfig
from ccps.stages.main.from_states import FromStatesStage


class ExtractStage(FromStatesStage):
    """Feature rows of every answer token: question id, token index and id, and one float32 column per feature."""

    name = "extract"

    def __init__(
        self,
        answers: Artifact,
        head: Artifact,
        label: str,
        config: PerturbationConfig,
        direction: Direction = "gradient",
        way: Way = "float32",
    ) -> None:
        super().__init__(answers, head, label, direction, config.max_scratch_mib)
        self.config = config
        self.way: Way = way

    @property
    def title(self) -> str:
        """What is extracted, and how far it is pushed."""
        along = "" if self.direction == "gradient" else f" along {self.direction} directions"
        return f"{self.label}, radius {self.config.radius:g} in {self.config.steps} steps{along}"

    def inputs(self) -> Mapping[str, Any]:
        """The states, the head, the perturbation, and how the head is multiplied where that is not in float32."""
        way = {} if self.way == "float32" else {"way": self.way}
        return {**super().inputs(), "radius": float(self.config.radius), "steps": self.config.steps, **way}

    def prepare(self, device: torch.device) -> None:
        """Load the head once for all shards, in float32 unless it is multiplied as it is."""
        self.layer = load_head(self.head).to(device, torch.float32 if self.way == "float32" else None)

    def step(self, content: list[int]) -> pa.Table:
        """Features of all answer tokens of some shards."""
        tokens = self.tokens(content)
        features = self.within_memory(
            lambda scratch: stability_features(
                tokens.states,
                self.layer,
                tokens.token_ids,
                radius=self.config.radius,
                steps=self.config.steps,
                max_scratch_bytes=scratch,
                direction=self.direction,
                way=self.way,
            )
        )
        columns: dict[str, Any] = {
            "question_id": tokens.question_ids,
            "token_index": pa.array(tokens.positions, pa.int32()),
            "token_id": pa.array(tokens.token_ids.cpu().numpy(), pa.int32()),
        }
        for index, name in enumerate(FEATURE_NAMES):
            columns[name] = pa.array(features[:, index].numpy(), pa.float32())
        return pa.table(columns)

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the feature rows."""
        pq.write_table(outputs[0], folder / ROWS)
        return {"tokens": outputs[0].num_rows, "n": outputs[0].num_rows}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the rows and say how often the answer token was the model's first choice.

        Raises:
            UserError: there are none.
        """
        rows = artifact.written_rows(["is_actual_token_original_argmax", "epsilon_to_flip_token"])
        if not rows.num_rows:
            raise all_empty(self.label)
        flips = rows["epsilon_to_flip_token"].to_numpy()
        return {
            "tokens": rows.num_rows,
            "argmax_rate": float(rows["is_actual_token_original_argmax"].to_numpy().mean()),
            "never_flip_rate": float((flips == float("inf")).mean()),
        }
