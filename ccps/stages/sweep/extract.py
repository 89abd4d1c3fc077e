"""From stored states to the stability features of every strength at once; needs the head, never the model's layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.perturbation import FEATURE_NAMES, Direction, Grid, flip_radius, stability_features_sweep
from ccps.perturbation.names import ORIGINAL_NAMES
from ccps.stages.main.from_states import FromStatesStage

# The unmoved state and the length of its gradient are the same for every strength: they are stored once.
_FIXED = len(ORIGINAL_NAMES) + 1


class SweepFeatures(NamedTuple):
    """Features of all strengths.

    Attributes:
        question_ids: of every token, answer by answer.
        fixed: `[tokens, 13]`, the columns that do not depend on the strength.
        moved: `[strengths, tokens, 62]`.
    """

    question_ids: list[str]
    fixed: npt.NDArray[np.float32]
    moved: npt.NDArray[np.float32]

    def at(self, point: int) -> npt.NDArray[np.float32]:
        """The 75 features `[tokens, 75]` of one strength."""
        return np.concatenate([self.fixed, self.moved[point]], axis=1)


class SweepExtractStage(FromStatesStage):
    """Features of every answer token at every point of a grid.

    Writes rows (question id of each token) and the tensors `fixed` `[tokens, 13]` and `moved` `[points, tokens, 62]`.
    """

    name = "sweep_extract"

    def __init__(
        self,
        answers: Artifact,
        head: Artifact,
        label: str,
        points: Sequence[Grid],
        direction: Direction,
        max_scratch_mib: int,
    ) -> None:
        super().__init__(answers, head, label, direction, max_scratch_mib)
        self.points = list(points)

    @property
    def title(self) -> str:
        """What is extracted, and how far it is pushed."""
        return f"{self.label}, {len(self.points)} strengths along {self.direction}"

    def inputs(self) -> Mapping[str, Any]:
        """The states, the head, and the strengths."""
        return {**super().inputs(), "points": [list(point) for point in self.points]}

    def step(self, content: list[int]) -> tuple[list[str], Tensor]:
        """Features of all answer tokens of some shards."""
        tokens = self.tokens(content)
        features = self.within_memory(
            lambda scratch: stability_features_sweep(
                tokens.states,
                self.layer,
                tokens.token_ids,
                self.points,
                direction=self.direction,
                max_scratch_bytes=scratch,
            )
        )
        return tokens.question_ids, features

    def save_shard(self, outputs: list[tuple[list[str], Tensor]], folder: Path) -> Mapping[str, float]:
        """Write the tokens, and what does and does not depend on the strength."""
        ids, features = outputs[0]
        pq.write_table(pa.table({"question_id": pa.array(ids, pa.string())}), folder / ROWS)
        parts = {"fixed": features[0, :, :_FIXED], "moved": features[:, :, _FIXED:]}
        save_file({name: values.contiguous() for name, values in parts.items()}, folder / TENSORS)
        return {"tokens": len(ids), "n": len(ids) * len(self.points)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count tokens and strengths."""
        return {"tokens": artifact.n_written_rows(), "strengths": len(self.points), "features": len(FEATURE_NAMES)}


def read_sweep(artifact: Artifact) -> SweepFeatures:
    """Read what `SweepExtractStage` wrote."""
    tensors = [artifact.tensors(shard) for shard in range(artifact.n_shards)]
    return SweepFeatures(
        artifact.rows()["question_id"].to_pylist(),
        torch.cat([shard["fixed"] for shard in tensors]).numpy(),
        torch.cat([shard["moved"] for shard in tensors], dim=1).numpy(),
    )


class FlipStage(FromStatesStage):
    """The exact radius at which the prediction of each answer token gives way: rows of question id and `flip_radius`.

    It is inf where the prediction never does.
    """

    name = "sweep_flip"

    @property
    def title(self) -> str:
        """Whose radii."""
        return f"{self.label}, along {self.direction}"

    def step(self, content: list[int]) -> pa.Table:
        """Radii of all answer tokens of some shards."""
        tokens = self.tokens(content)
        radius = self.within_memory(
            lambda scratch: flip_radius(
                tokens.states,
                self.layer,
                tokens.token_ids,
                direction=self.direction,
                max_scratch_bytes=scratch,
            )
        )
        return pa.table(
            {
                "question_id": pa.array(tokens.question_ids, pa.string()),
                "flip_radius": pa.array(radius.numpy(), pa.float32()),
            }
        )

    def save_shard(self, outputs: list[pa.Table], folder: Path) -> Mapping[str, float]:
        """Write the radii."""
        pq.write_table(outputs[0], folder / ROWS)
        return {"tokens": outputs[0].num_rows, "n": outputs[0].num_rows}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the tokens and say how many never give way."""
        radius = artifact.written_rows(["flip_radius"])["flip_radius"].to_numpy()
        return {"tokens": len(radius), "never_flip": int(np.isinf(radius).sum())}
