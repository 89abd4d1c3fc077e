"""Judging by a model of inference: does the continuation contradict the step?"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ccps.core.settings import Fault, fault
from ccps.faithful import Mode
from ccps.llm import ModelFiles, plan_batches, work_off
from ccps.llm.fingerprints import fingerprint
from ccps.meaning.entailment import Entailment, find_entailment_model
from ccps.reasoning.judges.base import TOO_LONG, ConsistencyJudge, Opening, Pair, StepVerdict, register
from ccps.settings.faithful.judge import JudgeChoice

_SETTING: Final = "faithful.judge.nli_model"


@register
class NliJudge(ConsistencyJudge):
    """P(contradiction), the continuation being the premise and the step the hypothesis.

    Confidence is then 1 − P(contradiction): what is merely unrelated counts as consistent. A pair that the model cannot
    read whole is missing; it is not cut.

    Args:
        model: with labels entailment and contradiction.
        mode: see `ConsistencyJudge`.
        max_batch_tokens: rows times width of a batch.

    Raises:
        UserError: no label of the model is called contradiction.
    """

    name = "nli"
    in_words = "a model of entailment"
    settings = frozenset({"nli_model", "max_batch_tokens"})

    def __init__(self, model: Entailment, mode: Mode = "strict", max_batch_tokens: int = 4096) -> None:
        super().__init__(mode)
        model.label_called("contradiction")
        self.model = model
        self.max_batch_tokens = max_batch_tokens

    @classmethod
    def faults(cls, choice: JudgeChoice) -> Iterator[Fault]:
        """No model."""
        if not choice.nli_model:
            way_out = "set it to cross-encoder/nli-deberta-v3-base for instance"
            yield fault("nli_model", "a folder or hub id", "nothing", way_out)

    @classmethod
    def inputs(cls, choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
        """The model, and its batches."""
        folder = find_entailment_model(choice.nli_model or "", _SETTING)
        return {"model": fingerprint(folder), "max_batch_tokens": choice.max_batch_tokens}

    @classmethod
    def open(cls, opening: Opening) -> "NliJudge":
        """Load the model."""
        folder = find_entailment_model(opening.choice.nli_model or "", _SETTING)
        return cls(Entailment(folder, opening.device, _SETTING), opening.mode, opening.choice.max_batch_tokens)

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Read each pair, in batches of like length.

        Raises:
            UserError: there is too little memory for one pair.
        """
        lengths = self.model.lengths(pairs)
        fitting = [index for index, length in enumerate(lengths) if length <= self.model.longest]

        def read(batch: list[int]) -> list[float]:
            return self.model.contradiction([pairs[fitting[place]] for place in batch])

        batches = plan_batches([lengths[index] for index in fitting], self.max_batch_tokens)
        found = dict(zip(fitting, work_off(read, batches, "nli"), strict=True))
        return [
            StepVerdict(found[index]) if index in found else StepVerdict(math.nan, reason=TOO_LONG)
            for index in range(len(pairs))
        ]
