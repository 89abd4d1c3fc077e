"""How far the states of a trace must be pushed, or what a probe needs to know of it, found while the trace is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from ccps.faithful import Mode, Step
from ccps.llm.taking import StateName
from ccps.metrics.inputs import IntArray
from ccps.perturbation import FEATURE_NAMES, Head, stability_features
from ccps.plan.shape import ModelShape
from ccps.plan.work import Work, features, flip_radii
from ccps.reasoning.answers import extract_answer
from ccps.reasoning.attended import UNITS
from ccps.reasoning.measures import Measure
from ccps.reasoning.stability import read_by_probe, token_radii
from ccps.reasoning.trace import Segmentation, Trace


class _OfFinal(Measure):
    """Made of the states that predicted each token, and the head."""

    reads_head: ClassVar[bool] = True

    @property
    def states(self) -> StateName:
        """Those that predicted each token."""
        return "final"


@dataclass(frozen=True)
class RadiusMeasure(_OfFinal):
    """The flip radius of every generated token, see `token_radii`: `radii` `[tokens]` float32."""

    name: ClassVar[str] = "flip"
    bytes_per_token: ClassVar[float] = 4.0

    def begin(self, trace: Trace, head: Head) -> "_Radii":
        """See `Measure.begin`."""
        return _Radii(trace.token_ids or (), head)

    def work(self, shape: ModelShape, tokens: float) -> Work:
        """See `Measure.work`."""
        return flip_radii(shape, tokens)


class _Radii:
    def __init__(self, token_ids: Sequence[int], head: Head) -> None:
        self.token_ids = token_ids
        self.head = head
        self.at = 0
        self.parts = [torch.empty(0)]

    def take(self, states: Tensor) -> None:
        ids = self.token_ids[self.at : self.at + len(states)]
        self.parts.append(torch.from_numpy(token_radii(states.to(self.head.weight.device), self.head, ids)).float())
        self.at += len(states)

    def numbers(self) -> Mapping[str, Tensor]:
        return {"radii": torch.cat(self.parts)}


@dataclass(frozen=True)
class FeatureMeasure(_OfFinal):
    """The 75 stability features of the tokens that a probe may read.

    These are `table` `[some, 75]` float32 and `tokens` `[some]` int32, in order: of every step, however the trace is
    cut, and of everything that may be its final answer.

    Attributes:
        radius: largest perturbation radius.
        grid_steps: perturbation steps.
        max_tokens: tokens that the probe reads of a step; None if it reads the last one.
        mode: of the segmentation.
    """

    name: ClassVar[str] = "features"
    bytes_per_token: ClassVar[float] = 4.0 * (len(FEATURE_NAMES) + 1)

    radius: float
    grid_steps: int
    max_tokens: int | None
    mode: Mode

    def begin(self, trace: Trace, head: Head) -> "_Features | None":
        """See `Measure.begin`; None where it is not known which tokens make up the steps."""
        wanted: list[IntArray] = [np.empty(0, dtype=np.int64)]
        for unit in UNITS:
            segmentation = Segmentation(unit, self.mode)
            tokens = segmentation.tokens(trace, [*segmentation.steps(trace), *_answers(trace.text)])
            if tokens is None:
                return None
            wanted += [read_by_probe(own, self.max_tokens) for own in tokens]
        return _Features(self, np.unique(np.concatenate(wanted)), trace.token_ids or (), head)

    def work(self, shape: ModelShape, tokens: float) -> Work:
        """See `Measure.work`."""
        return features(shape, tokens, self.grid_steps)


class _Features:
    def __init__(self, own: FeatureMeasure, tokens: IntArray, token_ids: Sequence[int], head: Head) -> None:
        self.own = own
        self.tokens = tokens
        self.token_ids = token_ids
        self.head = head
        self.at = 0
        self.parts = [torch.empty(0, len(FEATURE_NAMES))]

    def take(self, states: Tensor) -> None:
        here = self.tokens[(self.tokens >= self.at) & (self.tokens < self.at + len(states))]
        if len(here):
            chosen = states[torch.from_numpy(here - self.at).to(states.device)].to(self.head.weight.device)
            ids = torch.tensor([self.token_ids[token] for token in here], device=chosen.device)
            found = stability_features(chosen, self.head, ids, radius=self.own.radius, steps=self.own.grid_steps)
            self.parts.append(found.cpu())
        self.at += len(states)

    def numbers(self) -> Mapping[str, Tensor]:
        return {"table": torch.cat(self.parts), "tokens": torch.from_numpy(self.tokens).int()}


def _answers(text: str) -> list[Step]:
    """Everything that `answer_step` may find in a text."""
    found = [extract_answer(text, mode=mode) for mode in get_args(Mode)]
    return [Step(one.start, one.end, one.text) for one in found if one.text]
