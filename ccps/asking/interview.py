"""Put questions to a language model, or read given answers; either way, keep the state of every answer token."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ccps.asking.follow_up import AfterAnswer, Collected, FollowUp
from ccps.core.errors import expected
from ccps.data.prompts import SystemRole, chat_messages
from ccps.data.records import Question
from ccps.engines import OwnWriter, Writer
from ccps.llm import (
    Context,
    LanguageModel,
    Passage,
    answer_ids,
    choose_tokens,
    lay_out,
    prompt_ids,
    read,
)
from ccps.llm.chat import PromptMode, closing_ids, opens_thinking
from ccps.llm.choose import Choice
from ccps.llm.forward import Read
from ccps.llm.memory import in_parts

Way = Literal["read", "choose", "generate"]


@dataclass(frozen=True)
class Manner:
    """How questions are put.

    Attributes:
        choice: how a multiple-choice question is answered with one token, see `ccps.llm.choose_tokens`.
        prompt: `strict` or `parity`, see `ccps.llm.prompt_ids` and `ccps.llm.answer_ids`.
        max_new_tokens: after so many tokens an open-ended answer is cut off (CCPS, arXiv 2505.21772: 30).
        system_role: see `ccps.data.prompts.chat_messages`.
        max_batch_tokens: rows times width of a batch, tokens to be written included.
    """

    choice: Choice = "greedy"
    prompt: PromptMode = "strict"
    max_new_tokens: int = 30
    system_role: SystemRole = "system"
    max_batch_tokens: int = 1024


class Answer(NamedTuple):
    """An answer and what the model had in mind when it gave it.

    Attributes:
        text: without white space at either end.
        tokens: token ids that are probed; none if the text is empty.
        states: `[tokens, d]` final-normed states that predicted them, in the model's dtype, where it runs: whoever
            stores them copies them, beside what is computed next.
        is_cut: whether the answer was cut off at the limit.
        cost: tokens that the model read or wrote for it, what all prompts share left out.
        after: what was read after it.
    """

    text: str
    tokens: list[int]
    states: Tensor
    is_cut: bool
    cost: int
    after: AfterAnswer


class Interview:
    """Questions for one model, laid out in batches.

    A question that comes with an answer has it read, in one teacher-forced pass; any other is answered by the model:
    with one token if it has options, else with as many as it takes, up to the limit.

    Args:
        lm: the model.
        questions: what is asked, at least one.
        manner: how.
        collect: what is read after each answer.
        writer: what writes open-ended answers; the model itself, unless it is given.
        messages: the conversation before each answer, where it is not the one that `chat_messages` makes of a question.

    Raises:
        UserError: a prompt is too long, the model's chat template refuses the messages, or it cannot be asked what is
            to be collected.
    """

    def __init__(
        self,
        lm: LanguageModel,
        questions: Sequence[Question],
        manner: Manner,
        collect: Collection[Collected] = (),
        writer: Writer | None = None,
        messages: Sequence[list[dict[str, str]]] | None = None,
    ) -> None:
        self.lm = lm
        self.writer = writer or OwnWriter(lm)
        self.questions = list(questions)
        self.manner = manner
        self.messages = (
            [chat_messages(question, system_role=manner.system_role) for question in questions]
            if messages is None
            else list(messages)
        )
        self.prompts = [prompt_ids(lm.tokenizer, messages, manner.prompt) for messages in self.messages]
        self._check_no_thought_is_open()
        # Read like all other tokens, but not probed.
        self.closing = closing_ids(lm.tokenizer, self.messages[0]) if manner.prompt == "parity" else set()
        self.given = [
            None if question.given_answer is None else self._ids(index, question.given_answer.strip())
            for index, question in enumerate(questions)
        ]
        self.follow_up = FollowUp(lm, self.messages[0], collect) if collect else None
        after = len(self.follow_up.tokens) if self.follow_up else 0
        rooms = [self._room(index) for index in range(len(questions))]
        self.layout = lay_out(lm, [question.id for question in questions], self.prompts, rooms, after=after)
        self.prefix = self.layout.read_shared()

    def _check_no_thought_is_open(self) -> None:
        """Refuse to take the first token of a thought for the letter of an option."""
        for question, prompt in zip(self.questions, self.prompts, strict=True):
            if question.options and question.given_answer is None and opens_thinking(self.lm.tokenizer, prompt):
                raise expected(
                    f"the prompt of model `{self.lm.files.name}`",
                    "one after which it answers, for multiple choice is answered with one token",
                    "one that opens a thought",
                    f"Set `model.{self.lm.files.name}.template_arguments={{enable_thinking: false}}`, if its template "
                    "knows that, or ask open-ended questions.",
                )

    @property
    def batches(self) -> list[list[int]]:
        """Positions of the questions of each batch: of one way of answering, and of like length."""
        ways = [self._way(index) for index in range(len(self.questions))]
        return self.layout.batches(self.manner.max_batch_tokens, kinds=ways)

    def answer(self, batch: Sequence[int]) -> list[Answer]:
        """Answer the questions of one batch, given by their positions; in parts if memory runs out.

        Raises:
            UserError: there is too little memory for one question, or a state is NaN or infinite.
        """
        ways = {"read": self._read_given, "choose": self._choose, "generate": self._generate}
        return in_parts(ways[self._way(batch[0])], batch, self.lm.files.name)

    def answer_all(self) -> list[Answer]:
        """Answer every question, batch by batch; in the order of the questions."""
        found: dict[int, Answer] = {}
        for batch in self.batches:
            found |= zip(batch, self.answer(batch), strict=True)
        return [found[index] for index in range(len(self.questions))]

    def _way(self, index: int) -> Way:
        if self.given[index] is not None:
            return "read"
        return "choose" if self.questions[index].options else "generate"

    def _room(self, index: int) -> int:
        """How many tokens the answer may take, the prompt's last one not counted."""
        given = self.given[index]
        if given is not None:
            return len(given)
        return 1 if self.questions[index].options else self.manner.max_new_tokens

    def _read_given(self, batch: Sequence[int]) -> list[Answer]:
        texts = [(self.questions[index].given_answer or "").strip() for index in batch]
        return self._read(batch, texts, [self.given[index] or [] for index in batch])

    def _choose(self, batch: Sequence[int]) -> list[Answer]:
        passages = [Passage(self.prompts[index]) for index in batch]
        states, context = self._read_passages(passages)
        logits = self.lm.own_logits(torch.cat(states))
        n_options = [len(self.questions[index].options) for index in batch]
        tokens = [[token] for token in choose_tokens(self.lm, logits, n_options, self.manner.choice)]
        return self.written(batch, tokens, states, [False] * len(batch), self.after_answers(tokens, context))

    def _generate(self, batch: Sequence[int]) -> list[Answer]:
        prompts = [self.prompts[index] for index in batch]
        answers, context = self.writer.write(
            prompts,
            self.manner.max_new_tokens,
            self.prefix,
            keep_context=self.follow_up is not None,
            sum_layer=self.follow_up.sum_layer if self.follow_up else None,
        )
        tokens = [answer.tokens for answer in answers]
        return self.written(
            batch,
            tokens,
            [answer.states for answer in answers],
            [not answer.ended for answer in answers],
            self.after_answers(tokens, context),
        )

    def _read_passages(self, passages: Sequence[Passage]) -> Read:
        """Read prompts with their answers, ready to be read on if anything is to be collected."""
        summed = self.follow_up.sum_layer if self.follow_up else None
        return read(self.lm, passages, self.prefix, keep_context=self.follow_up is not None, sum_layer=summed)

    def after_answers(self, tokens: Sequence[list[int]], context: Context | None) -> list[AfterAnswer]:
        """What is read after some answers, of which nothing but the last token has not been read yet."""
        if self.follow_up is None or context is None:
            return [AfterAnswer()] * len(tokens)
        return self.follow_up.read(tokens, context)

    def written(
        self,
        batch: Sequence[int],
        tokens: Sequence[list[int]],
        states: Sequence[Tensor],
        is_cut: Sequence[bool],
        afters: Sequence[AfterAnswer],
    ) -> list[Answer]:
        """Answers out of what the model wrote; in parity, those whose text has other token ids are read again.

        Args:
            batch: positions of the questions.
            tokens: of each answer.
            states: `[tokens, d]` of each, which predicted them.
            is_cut: whether each was cut off at the limit.
            afters: what was read after each.
        """
        texts = [self.lm.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in tokens]
        answers = list(map(self._answer, batch, texts, tokens, states, is_cut, afters))
        if self.manner.prompt == "parity":
            anew = [self._ids(index, text) for index, text in zip(batch, texts, strict=True)]
            differ = [place for place, ids in enumerate(anew) if tokens[place] != ids]
            again = self._read(
                [batch[place] for place in differ],
                [texts[place] for place in differ],
                [anew[place] for place in differ],
            )
            for place, answer in zip(differ, again, strict=True):
                cost = answers[place].cost + answer.cost
                answers[place] = answer._replace(is_cut=is_cut[place], cost=cost)
        return answers

    def _read(self, batch: Sequence[int], texts: Sequence[str], tokens: Sequence[list[int]]) -> list[Answer]:
        """Take the states of given token ids from one teacher-forced pass."""
        filled = [place for place, ids in enumerate(tokens) if ids]
        found: dict[int, tuple[Tensor, AfterAnswer]] = {}
        if filled:
            passages = [Passage(self.prompts[batch[place]], tokens[place]) for place in filled]
            states, context = self._read_passages(passages)
            afters = self.after_answers([tokens[place] for place in filled], context)
            found = dict(zip(filled, zip(states, afters, strict=True), strict=True))
        width = self.lm.head.weight.shape[1]
        nothing = torch.empty(0, width, dtype=self.lm.model.dtype, device=self.lm.device), AfterAnswer()
        return [
            self._answer(index, texts[place], tokens[place], states, False, after)
            for place, index in enumerate(batch)
            for states, after in [found.get(place, nothing)]
        ]

    def _answer(
        self, index: int, text: str, tokens: list[int], states: Tensor, is_cut: bool, after: AfterAnswer
    ) -> Answer:
        """Join an answer's parts; of one that is nothing but white space no token is probed."""
        probed = [place for place, token in enumerate(tokens) if text and token not in self.closing]
        cost = self.layout.own(index) + len(tokens)
        kept = after if probed else AfterAnswer()
        return Answer(text, [tokens[place] for place in probed], states[probed], is_cut, cost, kept)

    def _ids(self, index: int, text: str) -> list[int]:
        """Token ids of an answer that is read; what closes the turn need not be."""
        ids = answer_ids(self.lm.tokenizer, self.messages[index], text, self.manner.prompt) if text else []
        while ids and ids[-1] in self.closing:
            ids.pop()
        return ids
