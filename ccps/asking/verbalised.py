"""Ask a language model in words how probable it is that its answer is correct."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from ccps.asking.interview import Manner
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, generate, lay_out, prompt_ids
from ccps.llm.memory import in_parts

QUERY = (
    "How probable is it that your answer is correct? "
    "Reply with a number from 0 to 100, followed by a percent sign, and with nothing else."
)
MAX_NEW_TOKENS = 8


class Reply(NamedTuple):
    """What the model said about one answer.

    Attributes:
        text: its words, without white space at either end.
        probability: in [0, 1]; NaN if they name none.
        reason: why they name none; empty if they name one.
        cost: tokens that the model read or wrote for it, what all conversations share left out.
    """

    text: str
    probability: float
    reason: str
    cost: int


class Verbalisation:
    """Questions with answers, each followed by the query in a turn of its own, laid out in batches.

    The second stage of two-stage verbalised confidence (Tian et al. 2023, arXiv 2305.14975, "Verb. 2S top-1"); the
    wording, the percent sign and the limit of 8 tokens are ours.

    Args:
        lm: the model.
        questions: what was asked, at least one.
        answers: what was answered, a text per question, not empty.
        manner: how the questions were put.

    Raises:
        UserError: a conversation is too long, or the model's chat template refuses the messages.
    """

    def __init__(
        self, lm: LanguageModel, questions: Sequence[Question], answers: Sequence[str], manner: Manner
    ) -> None:
        self.lm = lm
        prompts = [
            prompt_ids(
                lm.tokenizer,
                [
                    *chat_messages(question, system_role=manner.system_role),
                    {"role": "assistant", "content": answer},
                    {"role": "user", "content": QUERY},
                ],
                manner.prompt,
            )
            for question, answer in zip(questions, answers, strict=True)
        ]
        self.layout = lay_out(lm, [question.id for question in questions], prompts, MAX_NEW_TOKENS)
        self.prefix = self.layout.read_shared()
        self.batches = self.layout.batches(manner.max_batch_tokens)

    def ask(self, batch: Sequence[int]) -> list[Reply]:
        """Have the model reply, greedily, about the answers at some positions; in parts if memory runs out.

        Raises:
            UserError: there is too little memory for one conversation, or a state is NaN or infinite.
        """
        return in_parts(self._ask, batch, self.lm.files.name)

    def _ask(self, batch: Sequence[int]) -> list[Reply]:
        prompts = [self.layout.prompts[index] for index in batch]
        replies = []
        for index, written in zip(batch, generate(self.lm, prompts, MAX_NEW_TOKENS, self.prefix), strict=True):
            text = self.lm.tokenizer.decode(written.tokens, skip_special_tokens=True).strip()
            probability, reason = stated_probability(text, is_cut=not written.ended)
            replies.append(Reply(text, probability, reason, self.layout.own(index) + len(written.tokens)))
        return replies


class Stated(NamedTuple):
    """A probability in [0, 1], or NaN and the reason why there is none."""

    probability: float
    reason: str = ""


_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# Words that leave the sense of the number as it is; with any other it might be that of a wrong answer.
_WORDS = frozenset(
    [
        *("probability", "confidence", "likelihood", "chance", "percent", "estimate", "answer", "it", "this"),
        *("the", "a", "an", "of", "my", "your", "is", "that", "being", "correct", "right", "it's"),
        *("i", "i'm", "am", "say", "would", "sure", "certain", "confident"),
        *("about", "approximately", "around", "roughly"),
    ]
)
_SIGNS = frozenset("%.,:;!*~≈=()\"'`")


def stated_probability(text: str, is_cut: bool = False) -> Stated:
    """Read the probability that a reply names, strictly.

    Only the first line counts. It must hold one number and nothing that could turn its sense. With a percent sign, or
    above 1, the number is in percent; without one, a decimal fraction below 1 is the probability itself.

    Args:
        text: the reply.
        is_cut: whether it was cut off at the limit, so that a number at its end may lack digits.

    Returns:
        The probability, or NaN and why: "no number", "several numbers", "number cut off", "unclear wording", "1
        without a percent sign" (1 % or certainty), "above 100 %".
    """
    lines = text.strip().lower().splitlines() or [""]
    line = lines[0].strip()
    numbers = _NUMBER.findall(line)
    rest = _NUMBER.sub(" ", line)
    words = {word.replace("’", "'") for word in _WORD.findall(rest)}
    signs = set(_WORD.sub("", rest).replace(" ", ""))
    if len(numbers) != 1:
        return Stated(math.nan, "several numbers" if numbers else "no number")
    if is_cut and len(lines) == 1 and line.endswith(numbers[0]):
        return Stated(math.nan, "number cut off")
    if words - _WORDS or signs - _SIGNS:
        return Stated(math.nan, "unclear wording")
    value, is_percent = float(numbers[0]), "%" in signs or "percent" in words
    if value == 1 and not is_percent:
        return Stated(math.nan, "1 without a percent sign")
    probability = value / 100 if is_percent or value > 1 else value
    return Stated(probability) if probability <= 1 else Stated(math.nan, "above 100 %")
