"""A scorer for answers of another engine, by the states that it computed when it wrote them: nothing is read again."""

from typing import NamedTuple

import torch
from torch import Tensor

from ccps.asking.follow_up import AfterAnswer
from ccps.asking.interview import Answer
from ccps.core.errors import UserError, expected
from ccps.data.records import Question
from ccps.engines import Continuation
from ccps.engines.deviation import measure_deviation
from ccps.llm import choose_tokens, prompt_ids
from ccps.llm.between import number_of_layers
from ccps.llm.final_norm import final_norm
from ccps.scorer.questions import as_asked
from ccps.scorer.reading import evidence_of
from ccps.scorer.records import Confidence
from ccps.scorer.scorer import ConfidenceScorer
from ccps.settings.engine import EngineConfig


class OtherModelError(UserError):
    """The states are not those of the scorer's model."""


class Wanted(NamedTuple):
    """What an engine is to write.

    Attributes:
        prompt: token ids, as the scorer's model was asked when it was fitted.
        limit: most tokens of the answer.
        end_tokens: ids of the tokens that end it.
        question: what it answers.
    """

    prompt: list[int]
    limit: int
    end_tokens: tuple[int, ...]
    question: Question


class Elsewhere:
    """Judges answers by what their engine computed of them.

    The scorer's own model reads nothing: its tokenizer makes the prompt, and its final norm and head turn the states
    into what methods read.

    Args:
        scorer: a fitted one.
        tolerances: how far the engine's log-probabilities may lie from log softmax(head(h)), see `EngineConfig`.

    Raises:
        UserError: the method reads more than the states of the answer, or its answers are tokenised anew.
    """

    def __init__(self, scorer: ConfidenceScorer, tolerances: EngineConfig | None = None) -> None:
        self.scorer, self.tolerances = scorer, tolerances or EngineConfig()
        reads = scorer.learnt.reads
        if reads.collected or scorer.settings.manner.prompt == "parity":
            got = f"`{scorer.settings.method}`, which has the model read on ({', '.join(reads.collected)})"
            if not reads.collected:
                got = "one whose answers are tokenised anew (`parity`)"
            wanted = "one that reads the states of the answer's tokens and nothing else"
            raise expected("the scorer", wanted, got, "Fit another method (`ccps`, `stack`), or use `ccps serve`.")
        with scorer.source.held() as lm:
            self._norm = final_norm(lm)
        self.layer = number_of_layers(lm)
        self.lm = lm

    def wanted(self, question: object, max_new_tokens: int | None = None) -> Wanted:
        """What is to be written for a question, see `ccps.scorer.questions.as_asked`.

        Raises:
            UserError: it is no question of the scorer's format, or does not fit the context window.
        """
        settings, lm = self.scorer.settings, self.lm
        [asked] = as_asked([question], settings.format)
        prompt = prompt_ids(lm.tokenizer, asked.conversation(settings.manner.system_role), settings.manner.prompt)
        limit = 1 if asked.question.options else max_new_tokens or settings.manner.max_new_tokens
        if len(prompt) + limit > lm.context_window:
            got = f"{len(prompt)} and {limit} tokens"
            raise expected("prompt and answer", f"at most {lm.context_window} tokens", got, "Ask for less.")
        return Wanted(prompt, limit, lm.end_tokens, asked.question)

    @torch.inference_mode()
    def judge(self, wanted: Wanted, written: Continuation, states: Tensor) -> Confidence:
        """P(correct) of an answer.

        Args:
            wanted: what was to be written.
            written: what was, greedily.
            states: `[tokens, d]`, the output of the last layer, before the final norm, at the place before each of the
                tokens that were written, the one that ended the answer included.

        Raises:
            OtherModelError: the states do not give the log-probabilities that came with the tokens.
        """
        final = self._norm(states.to(device=self.lm.device, dtype=self.lm.model.dtype))
        self._check_same(written, final)
        tokens, options = written.tokens, len(wanted.question.options)
        if options:  # the likeliest of its letters, whatever was likeliest of all
            choice = self.scorer.settings.manner.choice
            tokens = choose_tokens(self.lm, self.lm.own_logits(final[:1]), [options], choice)
        text = str(self.lm.tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        is_cut = not options and not written.ended
        answer = Answer(text, tokens, final[: len(tokens)], is_cut, len(tokens), AfterAnswer())
        return self._confidence(wanted, answer)

    def _confidence(self, wanted: Wanted, answer: Answer) -> Confidence:
        learnt = self.scorer.learnt
        source = learnt.method.label
        if not answer.text:
            return Confidence(wanted.question.id, "", float("nan"), source, answer.is_cut)
        evidence = evidence_of(self.scorer.source, [wanted.question], [answer], learnt.reads)
        p = float(learnt.shifted(learnt.stored.fitted.p_correct(evidence))[0])
        return Confidence(wanted.question.id, answer.text, p, source, answer.is_cut)

    def _check_same(self, written: Continuation, final: Tensor) -> None:
        """Hold the engine's log-probabilities against the scorer's head."""
        deviation = measure_deviation(self.lm, [final[: len(written.tokens)]], [written])
        if deviation is None:
            return
        most, mean = self.tolerances.tolerance_max, self.tolerances.tolerance_mean
        if not (deviation.largest <= most and deviation.mean <= mean):
            raise OtherModelError(
                f"Expected the engine's states to give its own log-probabilities under the head of "
                f"`{self.lm.files.name}`, within {most:g} nats for each token and {mean:g} in the mean, but got "
                f"differences of up to {deviation.largest:.3g}, {deviation.mean:.3g} in the mean of {deviation.tokens} "
                "tokens. It serves another model, in another precision, or gives other states."
            )
