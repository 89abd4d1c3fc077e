"""Teach the model to judge its own answers, from those to the training questions."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from safetensors.torch import load_file

from ccps.asking.follow_up import QUERY
from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError, expected
from ccps.core.reasons import with_reasons
from ccps.core.settings import check
from ccps.needs.answers import stored_answers
from ccps.needs.base import AnsweredQuestions, Respondent
from ccps.needs.stage import AdapterStage
from ccps.pipeline.stage import Run, Work
from ccps.probes.pairs import row_indices
from ccps.tuning import Example, Tuner, TuningConfig, Update, ask_about
from ccps.tuning.adapter import SETTINGS_FILE, WEIGHTS_FILE

_LAST_UPDATES = 100


class _Batch(NamedTuple):
    """The answers of one update, by their positions."""

    update: int
    positions: list[int]


class TuneStage(AdapterStage):
    """A LoRA adapter, trained on the graded answers to the training questions, see `ccps.tuning.Tuner`.

    Each shard holds the adapter after some more updates (`adapter_model.safetensors` and `adapter_config.json`, as peft
    reads them), the state of the optimiser, and the updates as rows: step, loss, query, divergence, accuracy, tokens.
    A run that was killed goes on from the last of them; the last shard is the result.

    Args:
        answered: the training questions.
        respondent: the model that answered them.
        config: the recipe; without weight on the divergence it is instruction tuning.

    Raises:
        UserError: a setting is out of range.
    """

    name = "tune"
    unit = "updates"

    def __init__(self, answered: AnsweredQuestions, respondent: Respondent, config: TuningConfig) -> None:
        super().__init__(answered, respondent)
        check(config, "tuning")
        self.config = config

    @property
    def title(self) -> str:
        """Which questions, which model, and whether it is kept close to what it was."""
        aim = "calibration" if self.config.divergence_weight else "instruction"
        return f"{super().title}, {aim} tuning"

    def inputs(self) -> Mapping[str, Any]:
        """The answers, their grades, the query and the recipe."""
        return {
            "answers": self.answered.answers,
            "grades": self.answered.labels,
            "query": QUERY,
            "recipe": {**asdict(self.config), "divergence": self.config.divergence.value},
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out all conversations.

        Raises:
            UserError: all answers are right, or all wrong; or a conversation is too long.
        """
        self.lm = self.respondent.model.get(device)
        graded = self.answered.labels.rows().select(["question_id", "correct"]).to_pydict()
        correct = dict(zip(graded["question_id"], graded["correct"], strict=True))
        stored = stored_answers(self.answered.answers)
        known = [one for one in stored if correct[one.question_id] is not None]
        self.left_out = Counter(
            {
                "correctness unknown": len(stored) - len(known),
                "empty": len(correct) - len(stored),
            }
        )
        labels = [bool(correct[one.question_id]) for one in known]
        if len(set(labels)) < 2:
            raise _one_sided(self.answered.label, labels)
        conversations = ask_about(self.lm, known, self.answered.questions[0], self.respondent.manner).prompts
        self.examples = [
            Example(tokens, len(one.prompt), one.states, label)
            for tokens, one, label in zip(conversations, known, labels, strict=True)
        ]

    def plan(self) -> Sequence[Sequence[Work]]:
        """One update at a time; in an epoch every answer has its turn once."""
        batches = row_indices(len(self.examples), self.config.batch_size, self.config.seed)
        work = [Work(_Batch(update, rows.tolist())) for update, rows in enumerate(islice(batches, self.config.steps))]
        return [work[start : start + self.config.save_every] for start in range(0, len(work), self.config.save_every)]

    def attach(self) -> Callable[[], None]:
        """An adapter that has learnt nothing yet."""
        self.tuner = Tuner(self.lm, self.config)
        return self.tuner.close

    def step(self, content: _Batch) -> Update:
        """Update once; after a gap, from the state that an earlier run has left."""
        if content.update != self.tuner.updates:
            artifact = self._artifact or self.artifact(Run(self.answered.answers.folder.parents[1]))
            before = content.update // self.config.save_every - 1
            self.tuner.resume(artifact.shard_folder(before), content.update)
        return self.tuner.update([self.examples[position] for position in content.positions])

    def save_shard(self, outputs: list[Update], folder: Path) -> Mapping[str, float]:
        """Write the adapter, the optimiser's state, and the updates since the last shard."""
        self.tuner.save(folder)
        pd.DataFrame(outputs).astype({"divergence": "float64"}).to_parquet(folder / ROWS, index=False)
        return {"n": len(outputs), "tokens": sum(update.tokens for update in outputs)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Answers trained on and left out, the size of the adapter, and how the last updates went."""
        rows = artifact.written_rows().to_pandas().tail(_LAST_UPDATES)
        weights = load_file(artifact.shard_folder(len(self.plan()) - 1) / WEIGHTS_FILE)
        return with_reasons(
            {
                "answers": len(self.examples),
                "right": sum(example.is_right for example in self.examples),
                "left out": +self.left_out,
                "parameters": sum(value.numel() for value in weights.values()),
                "epochs": self.config.steps / math.ceil(len(self.examples) / self.config.batch_size),
                "query_loss_at_the_end": float(rows["query"].mean()),
                "accuracy_at_the_end": float(rows["accuracy"].mean()),
            }
        )


def adapter_folder(tuned: Artifact) -> Path:
    """Where a complete artifact of this stage holds the finished adapter, its files checked."""
    last = tuned.n_shards - 1
    tuned.path(SETTINGS_FILE, last)
    return tuned.path(WEIGHTS_FILE, last).parent


def _one_sided(label: str, labels: Sequence[bool]) -> UserError:
    got = "none that is graded" if not labels else f"{len(labels)} that are all {'right' if labels[0] else 'wrong'}"
    return expected(
        f"the answers to {label}, from which the model learns to judge itself,",
        "right ones and wrong ones",
        got,
        "Add questions that are harder or easier for this model, or leave out the methods `it` and `ct`.",
    )
