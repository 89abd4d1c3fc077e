"""Ask multiple-choice questions again with the options in other places."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.asking.permuted import PermutedInterview, rotations
from ccps.core.artifacts import ROWS, Artifact
from ccps.data.records import asked_hash
from ccps.grading.letters import SPELLINGS_VERSION
from ccps.needs.base import AnsweredQuestions, Need, Respondent, Source, register
from ccps.needs.stage import AskingStage
from ccps.pipeline.stage import Stage, Work, in_shards
from ccps.settings.experiment import Config

_SCHEMA = pa.schema(
    [("question_id", pa.string()), ("shift", pa.int32()), ("probabilities", pa.list_(pa.float64()))],
)


class _Asked(NamedTuple):
    batch: list[int]
    probabilities: list[npt.NDArray[np.float64]]
    tokens: int


class PermuteStage(AskingStage):
    """Rows of question id, shift and probabilities among the options, these in the order in which they first were.

    A question of n options is put n − 1 times more. One that the data hold word for word cannot be.
    """

    name = "permute"
    version = 1
    independent = True

    def inputs(self) -> Mapping[str, Any]:
        """The model, the questions and how they are put; batching too, which decides the last bits."""
        return {
            "model": self.respondent.model.files.fingerprint,
            "questions": asked_hash(self.answered.questions),
            **asdict(self.respondent.manner),
            "shard_questions": self.respondent.shard_questions,
            "spellings": SPELLINGS_VERSION,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out all prompts."""
        self.rotated = rotations(self.answered.questions)
        lm = self.respondent.model.get(device)
        self.asked = PermutedInterview(lm, self.rotated, self.respondent.manner) if self.rotated else None

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        if self.asked is None:
            return [[Work([], 0)]]
        return in_shards(self.asked.interview.batches, self.respondent.shard_questions)

    def step(self, content: list[int]) -> _Asked:
        """Put one batch of questions, given by their positions."""
        if self.asked is None:
            return _Asked([], [], 0)
        return _Asked(content, *self.asked.ask(content))

    def save_shard(self, outputs: list[_Asked], folder: Path) -> Mapping[str, float]:
        """Write the probabilities."""
        rows = [
            {
                "question_id": self.rotated[index].question.id,
                "shift": self.rotated[index].shift,
                "probabilities": probabilities.tolist(),
            }
            for output in outputs
            for index, probabilities in zip(output.batch, output.probabilities, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        return {"n": len(rows), "tokens": sum(output.tokens for output in outputs)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the questions and how often they were put."""
        rows = artifact.written_rows().to_pandas()
        return {"questions": int(rows["question_id"].nunique()), "asked": len(rows)}


@register
class PermutedOptions(Need):
    """`[answers, options]`, probabilities of the options summed over all further cyclic permutations of them.

    The options stand in the order in which they first were; NaN where the question could not be put again, 0 beyond its
    last option.
    """

    name = "permuted_options"
    place = 7
    stages = (PermuteStage,)

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage | None:
        """Ask again; open-ended questions have no options."""
        return PermuteStage(answered, respondent) if answered.format == "mc" else None

    def read(self, source: Source, question_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """The sums."""
        rows = source.own.rows().to_pydict()
        most = max(map(len, rows["probabilities"]), default=0)
        sums: dict[str, npt.NDArray[np.float64]] = {}
        for name, probabilities in zip(rows["question_id"], rows["probabilities"], strict=True):
            sums.setdefault(name, np.zeros(most))[: len(probabilities)] += probabilities
        nothing = np.full(most, np.nan)
        return np.array([sums.get(name, nothing) for name in question_ids]).reshape(len(question_ids), most)
