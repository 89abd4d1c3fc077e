"""What stages take that ask the model: answers, and whatever methods need beyond them."""

import math
from collections.abc import Sequence

from ccps.asking.follow_up import QUERY, query_ids
from ccps.asking.verbalised import MAX_NEW_TOKENS
from ccps.asking.verbalised import QUERY as WORDS
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import ids_after_answer
from ccps.needs.permuted import PermuteStage
from ccps.needs.references import ReferenceStage
from ccps.needs.samples import SampleStage
from ccps.needs.stage import AskingStage
from ccps.needs.tune import TuneStage
from ccps.needs.tuned import AskTunedStage
from ccps.needs.verbalised import VerbaliseStage
from ccps.plan.shape import ModelShape
from ccps.plan.work import Amount, Work, decoder, own_logits, read_batch
from ccps.stages.main.answer import AnswerStage
from ccps.stages.planning.lengths import Lengths, Messages, text_tokens
from ccps.stages.planning.subject import Subject
from ccps.stages.planning.taken import Known, Taken, Texts, model_bytes, rows_bytes, taken, without_sizes

ANSWER_LENGTHS = "lengths of open-ended answers"
_DISK_RATE = 1e9
"""Bytes a second at which weights are read from disk."""
_TURN, _QUERY = 3, 33
"""Tokens to the end of an answer's turn, and of the query after it, where there is no tokenizer to ask."""
_REFERENCE_WORDS = 4
"""Tokens of an accepted answer that is no option."""
_TUNING = 4
"""Of a forward pass, an update: forward, back through states alone, and forward again for the untuned distribution."""


@taken.register
def _(stage: AnswerStage, known: Known) -> Taken:
    subject, manner = known.subjects[stage.shared.name], stage.manner
    questions = stage.questions
    conversations = [chat_messages(question, system_role=manner.system_role) for question in questions]
    asked = known.lengths(subject, conversations, manner.prompt)
    texts = _texts(stage, subject, asked, known)
    shape = subject.shape
    if shape is None:
        return without_sizes(subject.name, stage.label)
    writes = questions[0].given_answer is None and not questions[0].options
    most = manner.max_batch_tokens
    room = manner.max_new_tokens if writes else max(1, round(texts.each))
    read = asked.longer(0 if writes else texts.each - 1).read(most, room)
    work = decoder(shape, read) + own_logits(shape, texts.n, read.passes)
    memory = model_bytes(shape, read)
    if writes:
        written = asked.write(most, manner.max_new_tokens - 1)
        work += decoder(shape, written, "write") + own_logits(shape, written.tokens, written.passes, "write")
        memory = max(memory, model_bytes(shape, written))
    after = _after(stage, subject, conversations[0])
    if after:
        batches = asked.batches(most, room)
        widest = texts.each + asked.shared
        followed = [read_batch(len(batch), after, round(widest) + max(batch)) for batch in batches]
        work += decoder(shape, _sum(followed).scaled(asked.each))
    return Taken(
        subject.name,
        stage.label,
        tokens=asked.tokens + texts.tokens + after * texts.n,
        work=work,
        disk=_answer_bytes(stage, shape, texts),
        memory=memory,
        assumed=texts.assumed,
    )


def _texts(stage: AnswerStage, subject: Subject, asked: Lengths, known: Known) -> Texts:
    """The answers that come out, noted for the stages that read them."""
    artifact = known.artifact(stage)
    questions = stage.questions
    form = questions[0].format
    assumed = known.why_assumed(subject, [question.source for question in questions])
    if artifact.complete:
        tokens = artifact.summary["mean_answer_tokens"] * asked.n
    elif questions[0].given_answer is not None:
        tokens = sum(text_tokens(subject, question.given_answer or "") for question in questions) * known.settings.times
    elif form == "mc":
        tokens = asked.n
    else:
        tokens = asked.n * max(1.0, known.settings.answer_share * stage.manner.max_new_tokens)
        assumed = (*assumed, ANSWER_LENGTHS)
    found = Texts(subject.name, stage.label, asked, tokens, form, assumed)
    known.texts[artifact.key] = found
    return found


def _after(stage: AnswerStage, subject: Subject, messages: Messages) -> int:
    """Tokens that are read after each answer, its last one among them."""
    if not stage.collect:
        return 0
    evaluates = "self_evaluation" in stage.collect
    if subject.tokenizer is None:
        return 1 + (_QUERY if evaluates else _TURN)
    if evaluates:
        return 1 + len(query_ids(subject.tokenizer, list(messages)))
    return 1 + (len(ids_after_answer(subject.tokenizer, list(messages))) if "layer_states" in stage.collect else 0)


def _answer_bytes(stage: AnswerStage, shape: ModelShape, texts: Texts) -> float:
    states = texts.tokens * shape.width * shape.item
    layers = 3 * shape.width * shape.item if "layer_states" in stage.collect else 0
    pooled = 4 * shape.width if "pooled_states" in stage.collect else 0
    ids = texts.tokens + texts.n * (texts.asked.shared + texts.asked.tokens / max(1.0, texts.n))
    return states + texts.n * (layers + pooled) + ids + rows_bytes(texts.n)


def _sum(amounts: Sequence[Amount]) -> Amount:
    found = Amount()
    for amount in amounts:
        found = found.joined(amount)
    return found


def _asked_on(stage: AskingStage, known: Known) -> tuple[Texts, Subject, ModelShape | None]:
    texts = known.of(stage.answered.answers)
    subject = known.subjects[texts.model]
    return texts, subject, subject.shape


@taken.register
def _(stage: SampleStage, known: Known) -> Taken:
    texts, _, shape = _asked_on(stage, known)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    k = stage.config.k
    if stage.is_choice:
        work = own_logits(shape, texts.n, math.ceil(texts.n / 128))
        memory = model_bytes(shape, Amount())
        return Taken(
            texts.model, texts.label, 0, work, disk=k * rows_bytes(texts.n), memory=memory, assumed=texts.assumed
        )
    manner = stage.respondent.manner
    limit, most = manner.max_new_tokens, manner.max_batch_tokens
    read, written = texts.asked.read(most, k * limit), texts.asked.write(most, limit, k)
    work = decoder(shape, read) + decoder(shape, written, "write")
    work += own_logits(shape, written.tokens, written.passes, "write")
    return Taken(
        texts.model,
        texts.label,
        tokens=texts.asked.tokens + k * texts.tokens,
        work=work,
        disk=k * (rows_bytes(texts.n) + 2 * texts.tokens),
        memory=model_bytes(shape, written),
        assumed=texts.assumed,
    )


@taken.register
def _(stage: VerbaliseStage, known: Known) -> Taken:
    texts, subject, shape = _asked_on(stage, known)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    talk = texts.asked.longer(texts.each + text_tokens(subject, WORDS) + _TURN)
    most = stage.respondent.manner.max_batch_tokens
    read, written = talk.read(most, MAX_NEW_TOKENS), talk.write(most, MAX_NEW_TOKENS - 1)
    work = decoder(shape, read) + decoder(shape, written, "write")
    work += own_logits(shape, texts.n * MAX_NEW_TOKENS, written.passes + read.passes, "write")
    tokens = talk.tokens + texts.n * MAX_NEW_TOKENS / 2
    memory = max(model_bytes(shape, read), model_bytes(shape, written))
    return Taken(texts.model, texts.label, tokens, work, 0, rows_bytes(texts.n), memory, texts.assumed)


@taken.register
def _(stage: PermuteStage, known: Known) -> Taken:
    texts, _, shape = _asked_on(stage, known)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    more = _further_orders(stage.answered.questions)
    read = texts.asked.read(stage.respondent.manner.max_batch_tokens).scaled(more)
    work = decoder(shape, read) + own_logits(shape, more * texts.n, read.passes)
    disk, memory = rows_bytes(more * texts.n), model_bytes(shape, read)
    return Taken(texts.model, texts.label, more * texts.asked.tokens, work, 0, disk, memory, texts.assumed)


def _further_orders(questions: Sequence[Question]) -> float:
    """How often a question is put again on average."""
    return sum(max(0, len(one.options) - 1) for one in questions if one.asked is None) / max(1, len(questions))


@taken.register
def _(stage: ReferenceStage, known: Known) -> Taken:
    """Of multiple choice all is stored already: either answer is one token, predicted by the same state."""
    texts, _, shape = _asked_on(stage, known)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    n, assumed = texts.n, texts.assumed
    memory = model_bytes(shape, Amount())
    if texts.form == "mc":
        disk = 2 * n * shape.width * shape.item + rows_bytes(n)
        return Taken(texts.model, texts.label, 0, Work(), 0, disk, memory, assumed)
    read = texts.asked.longer(_REFERENCE_WORDS).read(stage.respondent.manner.max_batch_tokens).scaled(2)
    each = _REFERENCE_WORDS + texts.each  # the model's own answer is the wrong one where it is wrong
    disk = n * each * shape.width * shape.item + 2 * rows_bytes(n)
    tokens = 2 * (texts.asked.tokens + n * _REFERENCE_WORDS)
    return Taken(texts.model, texts.label, tokens, decoder(shape, read), 0, disk, model_bytes(shape, read), assumed)


@taken.register
def _(stage: TuneStage, known: Known) -> Taken:
    texts, subject, shape = _asked_on(stage, known)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    recipe = stage.config
    talk = _talk_tokens(texts, subject) + texts.asked.shared
    rows = recipe.steps * recipe.batch_size
    passes = rows / recipe.micro_batch
    amount = Amount(rows * talk, rows * talk * talk, rows * talk, passes, recipe.micro_batch * talk, 0)
    work = decoder(shape, amount).times(_TUNING)
    # Every layer's states are kept for the way back.
    kept = recipe.micro_batch * talk * shape.layers * shape.item * (8 * shape.width + 3 * shape.feed_forward)
    saved = 12 * 2 * shape.layers * recipe.rank * 2 * shape.width  # an adapter and two moments in float32
    disk = math.ceil(recipe.steps / recipe.save_every) * saved
    memory = model_bytes(shape, amount) + kept + saved
    return Taken(texts.model, texts.label, rows * talk, work, 0, disk, memory, texts.assumed)


@taken.register
def _(stage: AskTunedStage, known: Known) -> Taken:
    texts, subject, shape = _asked_on(stage, known)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    talk = texts.asked.longer(_talk_tokens(texts, subject) - texts.asked.tokens / max(1.0, texts.n))
    read = talk.read(stage.respondent.manner.max_batch_tokens)
    work = decoder(shape, read) + own_logits(shape, texts.n, read.passes)
    return Taken(
        texts.model, texts.label, talk.tokens, work, 0, rows_bytes(texts.n), model_bytes(shape, read), texts.assumed
    )


def _talk_tokens(texts: Texts, subject: Subject) -> float:
    """A prompt's own tokens, its answer, and the query after it."""
    return texts.asked.tokens / max(1.0, texts.n) + texts.each + text_tokens(subject, QUERY) + 2 * _TURN


def head_bytes(shape: ModelShape) -> float:
    """The head as it is stored."""
    return shape.vocabulary * shape.width * shape.item


def loading(known: Known, model: str) -> Taken:
    """Loading a model and storing its head, which is what is kept of it."""
    shape = known.shape(model)
    if shape is None:
        return without_sizes(model, "")
    return Taken(
        model,
        host_seconds=shape.bytes / _DISK_RATE,
        disk=head_bytes(shape),
        memory=model_bytes(shape, Amount()),
        assumed=known.subjects[model].assumed,
    )
