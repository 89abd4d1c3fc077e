"""One way to have answers written, whatever writes them: with their states, and ready to be read on."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ccps.engines.deviation import Deviation, DeviationGate
from ccps.engines.engine import Continuation, Drawing, Engine
from ccps.llm import Generated, LanguageModel, Passage, final_states, plan_batches, read, write
from ccps.llm.forward import Prefix
from ccps.llm.generate import Written
from ccps.llm.sample import Sampled, sample
from ccps.settings.engine import EngineConfig


class Writer(Protocol):
    """Writes answers of one model."""

    @property
    def deviation(self) -> Deviation | None:
        """How far what writes differs from the model; None if that is the model itself, or not known yet."""
        ...

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        prefix: Prefix | None = None,
        *,
        keep_context: bool = False,
        sum_layer: int | None = None,
    ) -> Written:
        """Continue each prompt with the most probable token, again and again, see `ccps.llm.write`."""
        ...

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        uniforms: npt.NDArray[np.float64],
        temperature: float,
        top_p: float,
        prefix: Prefix | None = None,
        *,
        max_batch_tokens: int | None = None,
    ) -> list[list[Sampled]]:
        """Continue each prompt several times with tokens drawn at random, see `ccps.llm.sample.sample`."""
        ...


class OwnWriter:
    """The model itself writes; its states are caught on the way.

    Args:
        lm: the model.
    """

    deviation: Deviation | None = None

    def __init__(self, lm: LanguageModel) -> None:
        self.lm = lm

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        prefix: Prefix | None = None,
        *,
        keep_context: bool = False,
        sum_layer: int | None = None,
    ) -> Written:
        """See `Writer.write`."""
        return write(self.lm, prompts, max_new_tokens, prefix, keep_context=keep_context, sum_layer=sum_layer)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        uniforms: npt.NDArray[np.float64],
        temperature: float,
        top_p: float,
        prefix: Prefix | None = None,
        *,
        max_batch_tokens: int | None = None,
    ) -> list[list[Sampled]]:
        """See `Writer.sample`."""
        return sample(self.lm, prompts, uniforms, temperature, top_p, prefix, max_batch_tokens=max_batch_tokens)


class EngineWriter:
    """An engine writes, and the model reads its answers in one teacher-forced pass, as it reads given ones.

    Args:
        lm: the model.
        engine: writes what the model would write.
        config: how far they may differ, see `ccps.engines.deviation`.
    """

    def __init__(self, lm: LanguageModel, engine: Engine, config: EngineConfig) -> None:
        self.lm = lm
        self.engine = engine
        self.gate = DeviationGate(lm, engine.name, config)

    @property
    def deviation(self) -> Deviation | None:
        """How far the engine differs from the model on the first tokens it wrote."""
        return self.gate.deviation

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        prefix: Prefix | None = None,
        *,
        keep_context: bool = False,
        sum_layer: int | None = None,
    ) -> Written:
        """See `Writer.write`.

        Raises:
            UserError: the engine differs from the model, or a state is NaN or infinite.
        """
        found = self.engine.write(prompts, max_new_tokens)
        passages = [Passage(prompt, one.tokens) for prompt, one in zip(prompts, found, strict=True)]
        states, context = read(self.lm, passages, prefix, keep_context=keep_context, sum_layer=sum_layer)
        # An empty answer is read too, for its context; the state that predicts its end is none of a token.
        states = [own[: len(one.tokens)] for own, one in zip(states, found, strict=True)]
        self.gate.check(states, found)
        answers = [Generated(one.tokens, own, one.ended) for own, one in zip(states, found, strict=True)]
        return Written(answers, context)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        uniforms: npt.NDArray[np.float64],
        temperature: float,
        top_p: float,
        prefix: Prefix | None = None,
        *,
        max_batch_tokens: int | None = None,
    ) -> list[list[Sampled]]:
        """See `Writer.sample`; of a sample's uniform numbers the first one makes its seed, and the others are not used.

        An engine makes its batches itself; the bound is for the model, which reads what was drawn, to compare.

        Raises:
            UserError: the engine differs from the model.
        """
        count, limit = uniforms.shape[1:]
        seeds = [int(number * 2**53) for number in uniforms[:, :, 0].ravel()]
        repeated = [prompt for prompt in prompts for _ in range(count)]
        found = self.engine.write(repeated, limit, Drawing(temperature, top_p, seeds))
        if self.gate.deviation is None:
            self._check(repeated, found, prefix, max_batch_tokens)
        rows = [Sampled(one.tokens, sum(one.log_probs), one.ended) for one in found]
        return [rows[start : start + count] for start in range(0, len(rows), count)]

    def _check(
        self,
        prompts: Sequence[Sequence[int]],
        found: Sequence[Continuation],
        prefix: Prefix | None,
        max_batch_tokens: int | None,
    ) -> None:
        """Have the model read what was drawn, only to compare: no more than one batch of it."""
        filled = [(Passage(prompt, one.tokens), one) for prompt, one in zip(prompts, found, strict=True) if one.tokens]
        if filled and max_batch_tokens is not None:
            widths = [len(passage.read) for passage, _ in filled]
            filled = [filled[index] for index in plan_batches(widths, max_batch_tokens)[0]]
        if filled:
            states = final_states(self.lm, [passage for passage, _ in filled], prefix)
            self.gate.check(states, [one for _, one in filled])
