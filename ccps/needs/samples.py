"""Draw further answers to every question that has one, and tell which of them mean the same."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ccps.asking.samples import ChosenSamples, SampledAnswer, WrittenSamples
from ccps.core.artifacts import ROWS, Artifact
from ccps.core.settings import check
from ccps.data.records import Question
from ccps.engines import Deviation, Writer, deviation_cost, deviation_summary
from ccps.grading.letters import SPELLINGS_VERSION
from ccps.llm.fingerprints import fingerprint
from ccps.llm.memory import in_parts
from ccps.meaning.clusters import Entails, in_same_words
from ccps.meaning.entailment import Entailment, find_entailment_model
from ccps.methods.evidence import Samples
from ccps.needs.answers import all_empty, stored_answers
from ccps.needs.base import AnsweredQuestions, Need, Respondent, Source, register
from ccps.needs.stage import AskingStage
from ccps.pipeline.stage import Stage, Work, in_shards
from ccps.settings.experiment import Config
from ccps.settings.samples import SamplesConfig

SPELLINGS = "spellings"
"""Among the inputs of the samples of multiple choice, and of no others."""

_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("meaning", pa.string()),
        ("log_prob", pa.float64()),
        ("tokens", pa.list_(pa.int32())),
        ("is_cut", pa.bool_()),
    ]
)


class _AnsweredQuestion(NamedTuple):
    """A question with its answer, and what it takes to draw others."""

    question: Question
    answer: str
    prompt: Sequence[int]


class _Drawn(NamedTuple):
    batch: list[int]
    answers: list[list[SampledAnswer]]
    deviation: Deviation | None


class SampleStage(AskingStage):
    """Rows of question id, sample, text, meaning, log-probability and token ids; empty answers get no samples.

    `meaning` is the sample in the words of the first that means the same, the answer itself being the very first. An
    open-ended question is asked again with the prompt that was used for its answer; the samples of a multiple-choice
    question come out of the state stored with it.

    Args:
        answered: the answers.
        respondent: the model that gave them.
        config: how to draw.

    Raises:
        UserError: a setting is out of range.
    """

    name = "sample"
    version = 2
    independent = True

    def __init__(self, answered: AnsweredQuestions, respondent: Respondent, config: SamplesConfig) -> None:
        super().__init__(answered, respondent)
        check(config, "samples")
        self.config = config
        self.is_choice = bool(answered.questions[0].options)

    def inputs(self) -> Mapping[str, Any]:
        """The answers, which say how they came about, and how to draw; batching too, which decides the last bits."""
        return {
            "answers": self.answered.answers,
            **asdict(self.config),
            "nli_model": fingerprint(self._nli_folder) if self._nli_folder else None,
            "max_batch_tokens": self.respondent.manner.max_batch_tokens,
            "shard_questions": self.respondent.shard_questions,
            **({SPELLINGS: SPELLINGS_VERSION} if self.is_choice else {}),
            **({} if self.is_choice else self.respondent.model.engine_inputs),
        }

    @cached_property
    def _nli_folder(self) -> Path | None:
        """Where the model of entailment lies; option letters entail nothing."""
        return find_entailment_model(self.config.nli_model) if self.config.nli_model and not self.is_choice else None

    def prepare(self, device: torch.device) -> None:
        """Load the model and lay out what is asked.

        Raises:
            UserError: all answers are empty.
        """
        lm = self.respondent.model.get(device)
        stored = stored_answers(self.answered.answers, most_states=int(self.is_choice))
        if not stored:
            raise all_empty(self.answered.label)
        questions_by_id = {question.id: question for question in self.answered.questions}
        self.asked = [_AnsweredQuestion(questions_by_id[one.question_id], one.text, one.prompt) for one in stored]
        self.drawer: ChosenSamples | WrittenSamples
        self.writer: Writer | None = None
        if self.is_choice:
            states = torch.stack([one.states[0] for one in stored])
            questions = [asked.question for asked in self.asked]
            self.drawer = ChosenSamples(lm, questions, states, self.respondent.manner, self.config)
        else:
            ids, prompts = [asked.question.id for asked in self.asked], [list(asked.prompt) for asked in self.asked]
            self.writer = self.respondent.model.writer(device)
            self.drawer = WrittenSamples(lm, ids, prompts, self.respondent.manner, self.config, self.writer)
        self.entailment = Entailment(self._nli_folder, device) if self._nli_folder else None

    def plan(self) -> Sequence[Sequence[Work]]:
        """Batches of like length, gathered into shards."""
        return in_shards(self.drawer.batches, self.respondent.shard_questions)

    def step(self, content: list[int]) -> _Drawn:
        """Draw answers to one batch of questions, given by their positions; in parts if memory runs out."""
        answers = in_parts(self.drawer.draw, content, self.respondent.model.name)
        return _Drawn(content, answers, self.writer.deviation if self.writer else None)

    def save_shard(self, outputs: list[_Drawn], folder: Path) -> Mapping[str, float]:
        """Write the samples."""
        rows = [
            row
            for output in outputs
            for index, answers in zip(output.batch, output.answers, strict=True)
            for row in self._rows(self.asked[index], answers)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        return {
            "n": sum(len(output.batch) for output in outputs),
            "tokens": sum(self.drawer.cost(output.batch, output.answers) for output in outputs),
            **deviation_cost(outputs[-1].deviation),
        }

    def _rows(self, asked: _AnsweredQuestion, samples: Sequence[SampledAnswer]) -> list[dict[str, Any]]:
        texts = [asked.answer, *(one.text for one in samples)]
        meanings = in_same_words(texts, self._entails(asked.question))[1:]
        return [
            {"question_id": asked.question.id, "sample": index, "meaning": meaning, **one._asdict()}
            for index, (one, meaning) in enumerate(zip(samples, meanings, strict=True))
        ]

    def _entails(self, question: Question) -> Entails | None:
        """Entailment of answers with their question before them, as semantic entropy has it."""
        if self.entailment is None:
            return None
        model = self.entailment

        def entails(pairs: Sequence[tuple[str, str]]) -> list[bool]:
            return model.entails([(f"{question.text} {one}", f"{question.text} {other}") for one, other in pairs])

        return entails

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the samples and those cut off; say how many agree with the answer, and how many meanings there are."""
        rows = artifact.written_rows().to_pandas()
        answers = {asked.question.id: asked.answer for asked in self.asked}
        return {
            "asked": len(self.asked),
            "samples": len(rows),
            "cut": int(rows["is_cut"].sum()),
            "agree": float((rows["meaning"] == rows["question_id"].map(answers)).mean()),
            "mean_meanings": float(rows.groupby("question_id")["meaning"].nunique().mean()),
            **deviation_summary(artifact.costs()),
        }


@register
class FurtherAnswers(Need):
    """`Samples`, further answers to the same questions."""

    name = "samples"
    place = 10
    stages = (SampleStage,)

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage:
        """Draw them."""
        return SampleStage(answered, respondent, config.samples)

    def read(self, source: Source, question_ids: Sequence[str]) -> Samples:
        """The samples; texts in the words of the first that means the same."""
        return read_samples(source.own, question_ids)


def read_samples(artifact: Artifact, question_ids: Sequence[str]) -> Samples:
    """The samples of some questions, in their order; texts in the words of the first that means the same."""
    rows = artifact.rows().to_pandas()
    # An option is one token, after which nothing was read; other answers are ended by a token of their own.
    is_choice = SPELLINGS in artifact.inputs
    rows["length"] = 1 if is_choice else rows["tokens"].map(len) + (~rows["is_cut"]).astype(np.int64)
    texts, logs, lengths = (
        rows.pivot(index="question_id", columns="sample", values=column).loc[list(question_ids)].to_numpy()
        for column in ("meaning", "log_prob", "length")
    )
    return Samples(texts.tolist(), logs, lengths)
