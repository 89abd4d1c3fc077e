"""Let the model read a right and a wrong answer to every training question, and keep the states."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from ccps.asking.interview import Interview
from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.reasons import with_reasons
from ccps.data.records import questions_hash
from ccps.llm import plan_batches
from ccps.methods.evidence import AnswerStates, References
from ccps.needs.answers import stored_answers
from ccps.needs.base import AnsweredQuestions, Need, Respondent, Source, register
from ccps.needs.stage import AskingStage
from ccps.perturbation import Head
from ccps.pipeline.heads import load_head
from ccps.pipeline.stage import Stage, Work
from ccps.settings.experiment import Config
from ccps.tuning.litcab import Reading
from ccps.tuning.wrong_answers import OWN, wrong_answer

SIDES = ("right", "wrong")
_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("right", pa.string()),
        ("wrong", pa.string()),
        ("origin", pa.string()),
        ("right_ids", pa.list_(pa.int32())),
        ("wrong_ids", pa.list_(pa.int32())),
    ]
)


class _Reference(NamedTuple):
    """A question with the texts of a right and of a wrong answer, and where the latter comes from."""

    question_id: str
    right: str
    wrong: str
    origin: str


class _Read(NamedTuple):
    """References with what was read of each, and the tokens it took."""

    references: list[_Reference]
    right: list[Reading]
    wrong: list[Reading]
    tokens: int


class ReferenceStage(AskingStage):
    """Rows of question id, a right and a wrong answer and their token ids; and their states, `right` and `wrong`.

    The right answer is the first accepted one, the wrong one that of `wrong_answer`. States `[tokens, d]` are the
    final-normed ones from which the tokens are predicted, in the model's dtype, in the order of the rows. What the
    answer stage has stored is not computed again: the state that predicts the first token of any answer, which of
    multiple choice is all there is, and those of the model's own answer.

    Args:
        answered: the training questions.
        respondent: the model that answered them.
        seed: of the wrong answers.
    """

    name = "reference"
    version = 2
    independent = True

    def __init__(self, answered: AnsweredQuestions, respondent: Respondent, seed: int) -> None:
        super().__init__(answered, respondent)
        self.seed = seed

    def inputs(self) -> Mapping[str, Any]:
        """Questions, answers, their grades and the seed; batching too, which decides the last bits."""
        is_graded = self.answered.format == "oe"  # a wrong option is wrong whatever the grader says
        return {
            "answers": self.answered.answers,
            "questions": questions_hash(self.answered.questions),
            "grades": self.answered.labels if is_graded else None,
            "head": self.respondent.head.inputs,
            "seed": self.seed,
            "max_batch_tokens": self.respondent.manner.max_batch_tokens,
            "shard_questions": self.respondent.shard_questions,
        }

    def prepare(self, device: torch.device) -> None:
        """Load the model, choose the answers, and lay out what is to be read."""
        self.stored = {one.question_id: one for one in stored_answers(self.answered.answers)}
        self.references = self._references()
        questions = {question.id: question for question in self.answered.questions}
        texts = [(one.question_id, text) for one in self.references for text in (one.right, one.wrong)]
        asked = [replace(questions[name], given_answer=text) for name, text in texts]
        self.interview = Interview(self.respondent.model.get(device), asked, self.respondent.manner) if asked else None

    def _references(self) -> list[_Reference]:
        """Those questions that have a right and a wrong answer."""
        rows = self.answered.labels.rows().select(["question_id", "text", "correct"]).to_pylist()
        graded = {row["question_id"]: row for row in rows}
        found = []
        for question in self.answered.questions:
            row = graded[question.id]
            right = question.accepted[0].strip() if question.accepted else ""
            wrong = wrong_answer(question, row["text"], row["correct"] is False, self.answered.questions, self.seed)
            if right and wrong is not None:
                found.append(_Reference(question.id, right, *wrong))
        return found

    def plan(self) -> Sequence[Sequence[Work]]:
        """Some questions at a time."""
        size, n = self.respondent.shard_questions, len(self.references)
        chunks = [list(range(start, min(start + size, n))) for start in range(0, n, size)]
        return [[Work(chunk, len(chunk))] for chunk in chunks]

    def step(self, content: list[int]) -> _Read:
        """Collect the states of both answers to some questions, given by their positions."""
        assert self.interview is not None
        places = [2 * position + side for position in content for side in (0, 1)]
        readings = {place: self._stored_reading(place) for place in places}
        missing = [place for place in places if readings[place] is None]
        lengths = [self.interview.layout.own(place) for place in missing]
        tokens = 0
        for batch in plan_batches(lengths, self.respondent.manner.max_batch_tokens):
            positions = [missing[index] for index in batch]
            for place, answer in zip(positions, self.interview.answer(positions), strict=True):
                readings[place] = Reading(answer.states.cpu(), torch.tensor(answer.tokens, dtype=torch.long))
                tokens += answer.cost
        right, wrong = ([readings[2 * position + side] for position in content] for side in (0, 1))
        return _Read([self.references[position] for position in content], right, wrong, tokens)  # type: ignore[arg-type]

    def _stored_reading(self, place: int) -> Reading | None:
        """The answer at a place, if the answer stage has stored its states; None if it must be read."""
        assert self.interview is not None
        reference = self.references[place // 2]
        stored = self.stored.get(reference.question_id)
        if stored is None:
            return None
        if place % 2 and reference.origin == OWN:
            return Reading(stored.states, torch.tensor(stored.answer))
        ids = self.interview.given[place]
        return Reading(stored.states[:1], torch.tensor(ids)) if ids is not None and len(ids) == 1 else None

    def save_shard(self, outputs: list[_Read], folder: Path) -> Mapping[str, float]:
        """Write rows and states."""
        read = outputs[0]
        rows = [
            {**one._asdict(), "right_ids": right.token_ids.tolist(), "wrong_ids": wrong.token_ids.tolist()}
            for one, right, wrong in zip(read.references, read.right, read.wrong, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), folder / ROWS)
        states = {side: torch.cat([one.states for one in getattr(read, side)]) for side in SIDES}
        save_file(states, folder / TENSORS)
        return {"n": len(rows), "tokens": read.tokens}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count the questions, those left out, and where the wrong answers come from."""
        origins = Counter(one.origin for one in self.references)
        left_out = len(self.answered.questions) - len(self.references)
        return with_reasons(
            {
                "questions": len(self.references),
                "left out": {"no right or no wrong answer": left_out} if left_out else {},
                **{f"wrong answer: {origin}": number for origin, number in sorted(origins.items())},
            }
        )


@register
class RightAndWrong(Need):
    """`References`, a right and a wrong answer to each question; known for training questions only."""

    name = "references"
    place = 30
    stages = (ReferenceStage,)

    def stage(
        self, answered: AnsweredQuestions, respondent: Respondent, config: Config, learnt: Artifact | None
    ) -> Stage:
        """Read them."""
        return ReferenceStage(answered, respondent, config.litcab.wrong_seed)

    def read(self, source: Source, question_ids: Sequence[str]) -> References:
        """Right and wrong answers; to questions that have none, no token."""
        return read_references(source.own, load_head(source.head), question_ids)


def read_references(artifact: Artifact, head: Head, question_ids: Sequence[str]) -> References:
    """Right and wrong answers to some questions, in their order; of those that have none, no token."""
    found: dict[str, dict[str, Reading]] = {side: {} for side in SIDES}
    for shard in range(artifact.n_shards):
        rows, tensors = artifact.rows(shard).to_pydict(), artifact.tensors(shard)
        for side in SIDES:
            lengths = [len(ids) for ids in rows[f"{side}_ids"]]
            ids = (torch.tensor(tokens, dtype=torch.long) for tokens in rows[f"{side}_ids"])
            readings = map(Reading, tensors[side].float().split(lengths), ids)
            found[side] |= zip(rows["question_id"], readings, strict=True)
    sides = (_stacked([found[side].get(name) for name in question_ids], head) for side in SIDES)
    (right, right_lengths), (wrong, wrong_lengths) = sides
    return References(right, right_lengths, wrong, wrong_lengths)


def _stacked(
    readings: Sequence[Reading | None], head: Head
) -> tuple[AnswerStates, np.ndarray[Any, np.dtype[np.int64]]]:
    """Readings, answer after answer, and the tokens of each."""
    there = [one for one in readings if one is not None]
    states = torch.cat([torch.empty(0, head.weight.shape[1]), *(one.states for one in there)])
    ids = torch.cat([torch.empty(0, dtype=torch.long), *(one.token_ids for one in there)])
    lengths = np.array([0 if one is None else len(one.token_ids) for one in readings], dtype=np.int64)
    return AnswerStates(states, ids, head), lengths
