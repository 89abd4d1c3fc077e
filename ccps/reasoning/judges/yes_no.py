"""Judging by what a language model says, here or behind an endpoint: does the step agree with the continuation?

The content of the question is that of the released code of arXiv 2606.03969, which took it from SelfCheckGPT (arXiv
2303.08896); the wording is not.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ccps.core.settings import Fault, fault
from ccps.faithful import Mode, verdict_inconsistency
from ccps.grading.asker import ChatAsker, asked_of
from ccps.grading.base import Usage
from ccps.llm import LanguageModel, ModelFiles, find_model, generate, lay_out, load_model, prompt_ids, work_off
from ccps.reasoning.judges.base import TOO_LONG, ConsistencyJudge, Opening, Pair, StepVerdict, register
from ccps.settings.faithful.judge import JudgeChoice

UNCLEAR = "neither yes nor no in the judge's reply"
# Part of every key: raise it with every change of the wording.
_VERSION = 1

_AGREEMENT = """Passage:
{context}

Statement:
{assertion}

Does the statement agree with the passage? Reply with a single word, Yes or No."""


@register
class YesNoJudge(ConsistencyJudge):
    """Asks a language model whether the step agrees with the continuation; greedy, so the same is said each time.

    0 for yes, 1 for no, ½ for "n/a", see `verdict_inconsistency`. The model sees neither the question nor the steps
    before (SelfCheckGPT, arXiv 2303.08896). What does not fit its context window is missing.

    Args:
        lm: the model.
        mode: see `ConsistencyJudge` and `verdict_inconsistency`.
        max_new_tokens: the longest reply.
        max_batch_tokens: rows times width of a batch, the reply included.
    """

    name = "llm_yes_no"
    in_words = "a language model, asked yes or no"
    settings = frozenset({"model", "endpoint", "max_new_tokens", "max_batch_tokens"})

    def __init__(
        self, lm: LanguageModel, mode: Mode = "strict", max_new_tokens: int = 10, max_batch_tokens: int = 4096
    ) -> None:
        super().__init__(mode)
        self.lm = lm
        self.max_new_tokens = max_new_tokens
        self.max_batch_tokens = max_batch_tokens

    @classmethod
    def faults(cls, choice: JudgeChoice) -> Iterator[Fault]:
        """One of two models at most."""
        if choice.model is not None and choice.endpoint is not None:
            yield fault("model", "left out where `endpoint` is given", "both")

    @classmethod
    def inputs(cls, choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
        """The model, what it is asked, and how long it may reply."""
        if choice.endpoint is not None:
            return {**asked_of(choice.endpoint), "prompt": _VERSION}
        files = under_study if choice.model is None else find_model("judge", choice.model)
        assert files is not None  # `Sampling.obstacle` sees to it
        return {
            "model": files.fingerprint,
            "prompt": _VERSION,
            "max_new_tokens": choice.max_new_tokens,
            "max_batch_tokens": choice.max_batch_tokens,
        }

    @classmethod
    def open(cls, opening: Opening) -> ConsistencyJudge:
        """Make it, of the endpoint, of a model of its own, or of the model under study.

        Raises:
            ValueError: the model under study is to judge itself and is not given.
        """
        choice, lm = opening.choice, opening.under_study
        if choice.endpoint is not None:
            return EndpointJudge(ChatAsker(choice.endpoint, opening.cache), opening.mode)
        if choice.model is not None:
            lm = load_model(find_model("judge", choice.model), opening.device)
        if lm is None:
            raise ValueError(
                "Expected `under_study` to be the model that judges itself, but got None. Load and pass it."
            )
        return cls(lm, opening.mode, choice.max_new_tokens, choice.max_batch_tokens)

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Ask about each pair, in batches of like length.

        Raises:
            UserError: there is too little memory for one pair, or a state is NaN or infinite.
        """
        lm = self.lm
        prompts = [prompt_ids(lm.tokenizer, agreement_chat(*pair)) for pair in pairs]
        fitting = [i for i, prompt in enumerate(prompts) if len(prompt) + self.max_new_tokens <= lm.context_window]
        replies = dict(zip(fitting, self._ask([prompts[index] for index in fitting]), strict=True))
        return [
            read_verdict(replies[index], self.mode) if index in replies else StepVerdict(math.nan, reason=TOO_LONG)
            for index in range(len(pairs))
        ]

    def _ask(self, prompts: Sequence[list[int]]) -> list[str]:
        layout = lay_out(self.lm, [str(index) for index in range(len(prompts))], prompts, self.max_new_tokens)
        prefix = layout.read_shared()

        def ask(batch: list[int]) -> list[str]:
            written = generate(self.lm, [prompts[index] for index in batch], self.max_new_tokens, prefix)
            return [self.lm.tokenizer.decode(one.tokens, skip_special_tokens=True).strip() for one in written]

        return work_off(ask, layout.batches(self.max_batch_tokens), self.lm.files.name)


class EndpointJudge(ConsistencyJudge):
    """Asks a language model behind an endpoint the same as `YesNoJudge`; every reply is kept on disk as it arrives.

    Args:
        asker: whom.
        mode: see `ConsistencyJudge` and `verdict_inconsistency`.
    """

    def __init__(self, asker: ChatAsker, mode: Mode = "strict") -> None:
        super().__init__(mode)
        self._asker = asker

    @property
    def usage(self) -> Usage:
        """Replies, and tokens of all replies that were used since construction."""
        return self._asker.usage

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        """Ask about each pair.

        Raises:
            UserError: no key; an endpoint that does not answer (what it has answered is kept); a cache that cannot be
                used.
        """
        replies = self._asker.ask([agreement_chat(*pair) for pair in pairs])
        return [read_verdict(reply.text, self.mode, reply.reason) for reply in replies]

    def close(self) -> None:
        """Drop what is not yet asked, and the connections."""
        self._asker.close()


def agreement_chat(context: str, assertion: str) -> list[dict[str, str]]:
    """The chat that asks whether an assertion is consistent with a context, to be answered with yes or no."""
    return [{"role": "user", "content": _AGREEMENT.format(context=context, assertion=assertion)}]


def read_verdict(reply: str, mode: Mode, reason: str = "") -> StepVerdict:
    """What a reply in words amounts to; `reason` says what came instead, if none came."""
    value = verdict_inconsistency(reply, mode=mode)
    return StepVerdict(value, reply, (reason or UNCLEAR) if math.isnan(value) else "")
