"""Draw further answers to questions, laid out in batches."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.asking.interview import Manner
from ccps.data.records import Question
from ccps.engines import OwnWriter, Writer
from ccps.llm import LanguageModel, lay_out, letter_tokens
from ccps.llm.sample import Sampled, check_logits, draw, log_probs
from ccps.settings.samples import SamplesConfig

_QUESTIONS_PER_BATCH = 128


class SampledAnswer(NamedTuple):
    """An answer drawn at random.

    Attributes:
        text: without white space at either end.
        tokens: token ids, without the one that ends the turn.
        log_prob: see `ccps.llm.sample.Sampled`.
        is_cut: whether it was cut off at the limit.
    """

    text: str
    tokens: list[int]
    log_prob: float
    is_cut: bool


def uniforms(seed: int, question_ids: Sequence[str], k: int, limit: int) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1) for every token that may be drawn, `[questions, k, limit]`.

    Each sample of a question has a stream of its own, seeded by a hash, so that neither the other questions nor `k` nor
    `limit` change it.
    """
    return np.array([[_stream(f"{seed}/{name}/{index}", limit) for index in range(k)] for name in question_ids])


def _stream(name: str, length: int) -> npt.NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "big")
    return np.random.default_rng(seed).random(length)


class ChosenSamples:
    """Further answers to multiple-choice questions, one token each.

    They need no pass of the model: the distribution of the token is that of the state which predicted the first token
    of the answer that is there already.

    Args:
        lm: the model.
        questions: what was asked, at least one.
        states: `[questions, d]` final-normed states that predict the answers' first tokens.
        manner: how the questions were put; where only option letters were allowed, only they are drawn.
        config: how to draw.
    """

    def __init__(
        self, lm: LanguageModel, questions: Sequence[Question], states: Tensor, manner: Manner, config: SamplesConfig
    ) -> None:
        self.lm = lm
        self.questions = list(questions)
        self.states = states
        self.config = config
        self.only_letters = manner.choice == "letters"
        self.head = lm.head.to(lm.device)
        places = list(range(len(questions)))
        self.batches = [places[i : i + _QUESTIONS_PER_BATCH] for i in range(0, len(places), _QUESTIONS_PER_BATCH)]

    @torch.inference_mode()
    def draw(self, batch: Sequence[int]) -> list[list[SampledAnswer]]:
        """Draw answers to the questions at some positions.

        Raises:
            UserError: a logit is NaN or infinite, or an option letter is not one token.
        """
        config, questions = self.config, [self.questions[index] for index in batch]
        logits = self.head.logits(self.states[list(batch)].to(self.lm.device))
        check_logits(self.lm, logits)
        numbers = uniforms(config.seed, [question.id for question in questions], config.k, 1)[:, :, 0]
        allowed = self._letters_alone(logits, questions) if self.only_letters else logits
        tokens = draw(allowed, torch.from_numpy(numbers).to(logits.device), config.temperature, config.top_p)
        found = zip(tokens.tolist(), log_probs(logits, tokens).tolist(), strict=True)
        return [[self._answer(*one) for one in zip(*row, strict=True)] for row in found]

    def cost(self, batch: Sequence[int], answers: Sequence[Sequence[SampledAnswer]]) -> int:
        """Tokens that the model read or wrote for them: none."""
        return 0

    def _letters_alone(self, logits: Tensor, questions: Sequence[Question]) -> Tensor:
        letters = letter_tokens(self.lm, max(len(question.options) for question in questions))
        allowed = torch.full_like(logits, -torch.inf)
        for row, question in enumerate(questions):
            own = letters[: len(question.options)]
            allowed[row, own] = logits[row, own]
        return allowed

    def _answer(self, token: int, log_prob: float) -> SampledAnswer:
        ended = token in self.lm.end_tokens
        return _decoded(self.lm, Sampled([] if ended else [token], log_prob, ended=True))


class WrittenSamples:
    """Further answers to open-ended questions, written token by token.

    Args:
        lm: the model.
        question_ids: of the questions, at least one.
        prompts: token ids with which each was asked.
        manner: how the questions were put.
        config: how to draw.
        writer: what writes; the model itself, unless it is given.

    Raises:
        UserError: a prompt is too long.
    """

    def __init__(
        self,
        lm: LanguageModel,
        question_ids: Sequence[str],
        prompts: Sequence[list[int]],
        manner: Manner,
        config: SamplesConfig,
        writer: Writer | None = None,
    ) -> None:
        self.lm = lm
        self.writer = writer or OwnWriter(lm)
        self.question_ids = list(question_ids)
        self.limit = manner.max_new_tokens
        self.config = config
        self.layout = lay_out(lm, self.question_ids, prompts, self.limit)
        self.prefix = self.layout.read_shared()
        self.batches = self.layout.batches(manner.max_batch_tokens, rows=config.k)

    def draw(self, batch: Sequence[int]) -> list[list[SampledAnswer]]:
        """Draw answers to the questions at some positions.

        Raises:
            UserError: a logit is NaN or infinite.
        """
        config = self.config
        numbers = uniforms(config.seed, [self.question_ids[index] for index in batch], config.k, self.limit)
        prompts = [self.layout.prompts[index] for index in batch]
        found = self.writer.sample(prompts, numbers, config.temperature, config.top_p, self.prefix)
        return [[_decoded(self.lm, one) for one in row] for row in found]

    def cost(self, batch: Sequence[int], answers: Sequence[Sequence[SampledAnswer]]) -> int:
        """Tokens that the model read or wrote for them, what all prompts share left out."""
        read = sum(map(self.layout.own, batch))
        return read + sum(len(one.tokens) for row in answers for one in row)


def _decoded(lm: LanguageModel, sampled: Sampled) -> SampledAnswer:
    text = lm.tokenizer.decode(sampled.tokens, skip_special_tokens=True).strip()
    return SampledAnswer(text, sampled.tokens, sampled.log_prob, not sampled.ended)
