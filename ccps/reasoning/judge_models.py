"""Judges of agreement that ask a model: a language model, here or behind an endpoint, or one of inference."""

import math
from collections.abc import Sequence

from ccps.faithful import Mode, verdict_inconsistency
from ccps.grading.asker import ChatAsker
from ccps.grading.base import Usage
from ccps.llm import LanguageModel, generate, lay_out, plan_batches, prompt_ids, work_off
from ccps.meaning.entailment import Entailment
from ccps.reasoning.judge_base import ConsistencyJudge, Pair, Verdict
from ccps.reasoning.judge_prompt import agreement_chat

UNCLEAR = "neither yes nor no in the judge's reply"
TOO_LONG = "longer than the judge can read"


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

    def __init__(
        self, lm: LanguageModel, mode: Mode = "strict", max_new_tokens: int = 10, max_batch_tokens: int = 4096
    ) -> None:
        super().__init__(mode)
        self.lm = lm
        self.max_new_tokens = max_new_tokens
        self.max_batch_tokens = max_batch_tokens

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Ask about each pair, in batches of like length.

        Raises:
            UserError: there is too little memory for one pair, or a state is NaN or infinite.
        """
        lm = self.lm
        prompts = [prompt_ids(lm.tokenizer, agreement_chat(*pair)) for pair in pairs]
        fitting = [i for i, prompt in enumerate(prompts) if len(prompt) + self.max_new_tokens <= lm.context_window]
        replies = dict(zip(fitting, self._ask([prompts[index] for index in fitting]), strict=True))
        return [
            read_verdict(replies[index], self.mode) if index in replies else Verdict(math.nan, reason=TOO_LONG)
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

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Ask about each pair.

        Raises:
            UserError: no key; an endpoint that does not answer (what it has answered is kept); a cache that cannot be
                used.
        """
        replies = self._asker.ask([agreement_chat(*pair) for pair in pairs])
        return [read_verdict(reply, self.mode) for reply in replies]

    def close(self) -> None:
        """Drop what is not yet asked, and the connections."""
        self._asker.close()


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

    def __init__(self, model: Entailment, mode: Mode = "strict", max_batch_tokens: int = 4096) -> None:
        super().__init__(mode)
        model.label_called("contradiction")
        self.model = model
        self.max_batch_tokens = max_batch_tokens

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[Verdict]:
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
            Verdict(found[index]) if index in found else Verdict(math.nan, reason=TOO_LONG)
            for index in range(len(pairs))
        ]


def read_verdict(reply: str, mode: Mode) -> Verdict:
    """What a reply in words amounts to."""
    value = verdict_inconsistency(reply, mode=mode)
    return Verdict(value, reply, UNCLEAR if math.isnan(value) else "")
