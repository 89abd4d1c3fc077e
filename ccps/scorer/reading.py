"""One pass over each question and its answer, and what it shows to all methods."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ccps.asking.interview import Answer, Interview, Manner
from ccps.core.console import bar
from ccps.data.records import Question
from ccps.methods import Evidence, Method, TrainedMethod
from ccps.methods.evidence import FloatArray, Index
from ccps.needs import answers as _  # noqa: F401 (registers what one pass gives; to look for all loads Lightning)
from ccps.needs.base import NEEDS, Given
from ccps.perturbation import FEATURE_NAMES, Direction, stability_features
from ccps.scorer.asked import Asked
from ccps.scorer.source import Source


class Reads(NamedTuple):
    """What of an answer is read.

    Attributes:
        needs: names in `ccps.needs.base.NEEDS`.
        features: whether the stability features are.
        direction: along which these are.
        radius: largest perturbation radius.
        steps: perturbation steps.
    """

    needs: frozenset[str]
    features: bool
    direction: Direction
    radius: float
    steps: int

    @classmethod
    def of(cls, methods: Collection[Method | TrainedMethod], format: str, radius: float, steps: int) -> "Reads":
        """What several methods read, all of which push along one direction."""
        needs = frozenset[str]().union(*(method.reads(for_training=True) for method in methods))
        return cls(
            frozenset(name for name in needs if format in NEEDS[name].formats),
            any(method.reads_features for method in methods),
            next((method.direction for method in methods if method.reads_features), "gradient"),
            radius,
            steps,
        )

    @property
    def collected(self) -> list[str]:
        """What the model must read after each answer for it."""
        return sorted(name for name in self.needs if NEEDS[name].is_collected)


class Heard(NamedTuple):
    """Answers, and what is known of those that have a token.

    Attributes:
        answers: in the order of the questions.
        filled: places of the answers with at least one token.
        evidence: about these; None if there are none.
    """

    answers: list[Answer]
    filled: Index
    evidence: Evidence | None


def interview(source: Source, asked: Sequence[Asked], manner: Manner, reads: Reads) -> Interview:
    """Lay the questions out for the model; to be called, and used, while that is held."""
    lm = source.opened()
    questions = [one.question for one in asked]
    messages = [one.conversation(manner.system_role) for one in asked]
    return Interview(lm, questions, manner, reads.collected, messages=messages)  # type: ignore[arg-type]


def hear(source: Source, asked: Sequence[Asked], manner: Manner, reads: Reads) -> Heard:
    """Ask the model, or have it read the answers that are given; each question once.

    Raises:
        UserError: a prompt does not fit the context window, the model gives NaN, or memory runs out.
    """
    found: dict[int, Answer] = {}
    with source.held(), bar("questions", len(asked)) as advance:
        talk = interview(source, asked, manner, reads)
        for batch in talk.batches:
            # Let go of nothing but the states that are kept: on a GPU they would pile up.
            found |= zip(batch, map(_on_cpu, talk.answer(batch)), strict=True)
            advance(len(batch))
    answers = [found[place] for place in range(len(asked))]
    filled = np.array([place for place, answer in enumerate(answers) if answer.tokens], dtype=np.int64)
    evidence = None
    if len(filled):
        evidence = evidence_of(source, [asked[place].question for place in filled], [answers[i] for i in filled], reads)
    return Heard(answers, filled, evidence)


def evidence_of(source: Source, questions: Sequence[Question], answers: Sequence[Answer], reads: Reads) -> Evidence:
    """What methods read of answers of at least one token."""
    lm, head = source.opened(), source.head
    # Nobody looks at the features of methods that do not read them.
    lengths = np.array([len(answer.tokens) for answer in answers])
    features = np.full((lengths.sum(), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    if reads.features:
        features = (
            stability_features(
                torch.cat([answer.states for answer in answers]).to(head.weight.device),
                head,
                torch.tensor([token for answer in answers for token in answer.tokens], device=head.weight.device),
                radius=reads.radius,
                steps=reads.steps,
                direction=reads.direction,
            )
            .cpu()
            .numpy()
        )
    given = Given(lm, head.to(torch.device("cpu")), questions, answers)
    return Evidence(
        features,
        lengths,
        len(head.weight),
        [answer.text for answer in answers],
        {name: NEEDS[name].of_given(given) for name in sorted(reads.needs)},
    )


def spread_out(values: FloatArray, filled: Index, n: int) -> FloatArray:
    """Values of the answers with a token, `[n]`; NaN for the others."""
    whole = np.full(n, np.nan)
    whole[filled] = values
    return whole


def _on_cpu(answer: Answer) -> Answer:
    return answer._replace(states=answer.states.cpu())
