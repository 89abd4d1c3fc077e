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
from ccps.llm import Passage, final_states, letter_tokens
from ccps.llm.memory import in_parts
from ccps.needs.answers import all_empty, stored_answers
from ccps.needs.base import AnsweredQuestions, Need, Respondent, Source, register
from ccps.needs.stage import AdapterStage
from ccps.needs.tune import TuneStage, adapter_folder
from ccps.pipeline.stage import Stage, Work, in_shards
from ccps.settings.experiment import Config
from ccps.settings.tuning import TuningConfig, unregularised
from ccps.tuning import Adapter, ask_about


class AskTunedStage(AdapterStage):
    """Rows of question id and the logits of "no" and "yes"; empty answers are not asked about.

    Args:
        answered: questions with answers.
        respondent: the model, as it was before it was tuned.
        tuned: artifact of the tune stage.
    """

    name = "ask_tuned"
    independent = True

    def __init__(self, answered: AnsweredQuestions, respondent: Respondent, tuned: Artifact) -> None:
        super().__init__(answered, respondent)
        self.tuned = tuned

    @property
    def title(self) -> str:
        """Benchmark, model, and how it was tuned."""
        aim = "calibration" if self.tuned.inputs["recipe"]["divergence_weight"] else "instruction"
        return f"{super().title}, {aim} tuning"

    def inputs(self) -> Mapping[str, Any]:
        """The answers, the adapter and the query; batching too, which decides the last bits."""
        return {
            "answers": self.answered.answers,
            "tuned": self.tuned,
            "query": QUERY,
            "max_batch_tokens": self.respondent.manner.max_batch_tokens,
            "shard_questions": self.respondent.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out all conversations.

        Raises:
            UserError: there is no answer to ask about, or a conversation is too long.
        """
        self.lm = self.respondent.model.get(device)
        stored = stored_answers(self.answered.answers, most_states=0)
        if not stored:
            raise all_empty(self.answered.label)
        self.ids = [one.question_id for one in stored]
        self.letters = letter_tokens(self.lm, 2)
        self.layout = ask_about(self.lm, stored, self.answered.questions[0], self.respondent.manner)

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        batches = self.layout.batches(self.respondent.manner.max_batch_tokens)
        return in_shards(batches, self.respondent.shard_questions)

    def attach(self) -> Callable[[], None]:
        """The adapter, with which what all conversations share is read too."""
        adapter = Adapter.load(self.lm, adapter_folder(self.tuned))
        self.prefix = self.layout.read_shared()
        return adapter.take_off

    def step(self, content: list[int]) -> pa.Table:
        """Ask about one batch of answers, given by their positions; in parts if memory runs out."""
        no, yes = torch.stack(in_parts(self._no_yes, content, self.lm.files.name)).T.numpy()
        tokens = list(map(self.layout.own, content))
        return pa.table({"question_id": [self.ids[index] for index in content], "no": no, "yes": yes, "tokens": tokens})

    @torch.inference_mode()
    def _no_yes(self, batch: list[int]) -> list[torch.Tensor]:
        """The two logits `[2]` float32 of each answer."""
        states = final_states(self.lm, [Passage(self.layout.prompts[index]) for index in batch], self.prefix)
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


@register
class CalibrationTuned(Need):
    """`[answers, 2]` float32, `self_evaluation` of the model after calibration tuning."""

    name = "calibration_tuned"
    place = 50
    stages = (TuneStage, AskTunedStage)
    is_tuned = True

    def recipe(self, config: Config) -> TuningConfig:
        """How the model is tuned."""
        return config.tuning

    def training(self, train: AnsweredQuestions, respondent: Respondent, config: Config) -> Stage:
        """Tune it on the training answers."""
        return TuneStage(train, respondent, self.recipe(config))

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage:
        """Ask the tuned model."""
        assert learnt is not None
        return AskTunedStage(answered, respondent, learnt)

    def read(self, source: Source, question_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """The logits."""
        return read_no_yes(source.own, question_ids)


@register
class InstructionTuned(CalibrationTuned):
    """The same of the model after instruction tuning, which nothing keeps close to what it was."""

    name = "instruction_tuned"
    place = 40

    def recipe(self, config: Config) -> TuningConfig:
        """Without the divergence."""
        return unregularised(config.tuning)


def read_no_yes(artifact: Artifact, question_ids: Sequence[str]) -> npt.NDArray[np.float32]:
    """The logits of "no" and "yes" `[answers, 2]` for some questions, in their order."""
    rows = artifact.rows().to_pandas().set_index("question_id")
    logits: npt.NDArray[np.float32] = rows.loc[list(question_ids), ["no", "yes"]].to_numpy(dtype=np.float32)
    return logits
