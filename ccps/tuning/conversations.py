"""Answers followed by the self-evaluation query, as token ids."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ccps.asking.follow_up import query_ids
from ccps.asking.interview import Manner
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, Layout, lay_out


class Answered(NamedTuple):
    """A question as the model read it, and its answer.

    Attributes:
        question_id: which question.
        text: the answer.
        prompt: token ids.
        answer: token ids, at least one.
        states: `[answer tokens, d]` final-normed states from which the model predicted them, in its dtype.
    """

    question_id: str
    text: str
    prompt: Sequence[int]
    answer: Sequence[int]
    states: Tensor


class Example(NamedTuple):
    """An answer that the model learns to judge.

    Attributes:
        tokens: ids of prompt, answer and query.
        start: position of the answer's first token.
        states: `[answer tokens, d]` final-normed states from which the untuned model predicted it.
        is_right: whether the answer is.
    """

    tokens: Sequence[int]
    start: int
    states: Tensor
    is_right: bool


def ask_about(lm: LanguageModel, answered: Sequence[Answered], question: Question, manner: Manner) -> Layout:
    """Lay out the conversations in which the model is asked about its answers.

    Args:
        lm: the model.
        answered: questions and answers, at least one.
        question: one of the questions; which one does not matter.
        manner: how they were put.

    Returns:
        As prompts the token ids of prompt, answer and what comes after it, up to where "a" (no) or "b" (yes) is to
        follow: the same that P(True) is read after.

    Raises:
        UserError: a conversation is too long, or the model's chat template refuses the query.
    """
    messages = chat_messages(question, system_role=manner.system_role)
    after = query_ids(lm.tokenizer, messages)
    conversations = [[*one.prompt, *one.answer, *after] for one in answered]
    return lay_out(lm, [one.question_id for one in answered], conversations, room=0)
