"""What the stages of the faithful system take."""

import math
from dataclasses import replace

from ccps.asking.follow_up import QUERY
from ccps.estimators.continuing import ContinueStage
from ccps.estimators.sampling import JudgeStage
from ccps.estimators.stability import RadiiStage
from ccps.pipeline.costs import total_cost
from ccps.plan.shape import ModelShape
from ccps.plan.work import Work, decoder, own_logits, read_batch, write_batch
from ccps.settings.faithful.traces import TraceSettings
from ccps.settings.plan import PlanConfig
from ccps.stages.faithful.confidence import ConfidenceStage
from ccps.stages.faithful.mark import MarkStage
from ccps.stages.faithful.read import ReadStage
from ccps.stages.faithful.report import FaithReportStage
from ccps.stages.faithful.score import FaithStage
from ccps.stages.faithful.steps import StepStage
from ccps.stages.faithful.trace import ImportStage, TraceStage
from ccps.stages.planning.lengths import Lengths, text_tokens
from ccps.stages.planning.taken import Known, Taken, Texts, model_bytes, rows_bytes, taken, without_sizes

TRACE_LENGTHS = "lengths of traces and steps"
MOST_ASSUMED = 5000
"""Tokens of a trace where nothing is known of it, at most: what is reported of models of 8B to 32B parameters."""
_TOKEN_BYTES = 14
"""Of a token of a stored trace: its id, its place in the text, and the text itself."""
_PER_TRACE = 2e-3
"""Seconds of a trace in stages that only read its text."""
_SCORED = 5.0
CONTINUED = "continuations"
_BROUGHT = 10
"""Alternatives that traces bring with a step."""
_JUDGE_QUERY = 120
"""Tokens that a judge reads beside continuation and step."""


def trace_tokens(settings: PlanConfig, traces: TraceSettings) -> float:
    """Of a trace on average, where none is stored."""
    limit = traces.max_new_tokens
    return min(limit, settings.trace_tokens or min(MOST_ASSUMED, max(1, limit // 2)))


def steps_of(texts: Texts, known: Known) -> float:
    """Steps of a trace on average."""
    return max(1.0, texts.each / known.settings.step_tokens)


@taken.register
def _(stage: TraceStage, known: Known) -> Taken:
    subject, asking, settings = known.subjects[stage.shared.name], stage.asking, stage.asking.settings
    conversations = [asking.messages(question, subject.files) for question in stage.questions.values()]
    asked = known.lengths(subject, conversations)
    label = stage.label.rpartition(", ")[0]
    artifact, k = known.artifact(stage), settings.traces_per_question
    assumed = known.why_assumed(subject, [asking.task.name])
    if artifact.complete and "mean_tokens" in artifact.summary:
        each = float(artifact.summary["mean_tokens"])
    else:
        each, assumed = trace_tokens(known.settings, settings), (*assumed, TRACE_LENGTHS)
    traces = asked._replace(each=k * asked.each)
    texts = Texts(subject.name, label, traces, each * traces.n, "trace", assumed)
    known.texts[artifact.key] = texts
    shape = subject.shape
    if shape is None:
        return without_sizes(subject.name, label)
    limit, most = settings.max_new_tokens, settings.max_batch_tokens
    read = asked.read(most, k * limit)
    written = asked.write(most, limit, k, shrinks=each)
    work = decoder(shape, read) + decoder(shape, written, "write")
    work += own_logits(shape, written.tokens, written.passes, "write")
    disk = texts.tokens * _TOKEN_BYTES + rows_bytes(texts.n)
    memory = model_bytes(shape, written)
    return Taken(subject.name, label, asked.tokens + texts.tokens, work, 0, disk, memory, assumed)


@taken.register
def _(stage: ImportStage, known: Known) -> Taken:
    """Traces made elsewhere: how many there are is read from the artifact, once there is one."""
    artifact = known.artifact(stage)
    model = stage.shared.name if stage.shared else stage.label.rpartition(", ")[2]
    summary = artifact.summary if artifact.complete else {}
    n, tokens = float(summary.get("traces", 0)), float(summary.get("mean_tokens", 0))
    size = stage.path.stat().st_size if stage.path.is_file() else 0
    asked = Lengths(0, [0], n)
    known.texts[artifact.key] = Texts(model, stage.label.rpartition(", ")[0], asked, n * tokens, "trace", ())
    return Taken(model, stage.label.rpartition(", ")[0], host_seconds=1 + size / 1e7, disk=size)


@taken.register
def _(stage: ReadStage, known: Known) -> Taken:
    texts = known.of(stage.traces)
    subject = known.subjects[stage.shared.name]
    shape = subject.shape
    if shape is None:
        return without_sizes(texts.model, texts.label)
    own = texts.asked.tokens / max(1.0, texts.n) + texts.each
    n = texts.tokens / max(1.0, texts.each)
    query = text_tokens(subject, QUERY) if stage.ask_p_true else 0
    rows = max(1, min(math.ceil(n), int(stage.settings.max_batch_tokens // (own + query))))
    one = read_batch(rows, math.ceil(own), texts.asked.shared).scaled(n / rows)
    work = decoder(shape, one) + own_logits(shape, texts.tokens, one.passes)
    if query:
        work += decoder(shape, read_batch(rows, query, math.ceil(own) + texts.asked.shared).scaled(n / rows))
    work = sum((measure.work(shape, texts.tokens) for measure in stage.measures), work)
    memory = model_bytes(shape, one) + 4 * shape.vocabulary * shape.width * any(m.reads_head for m in stage.measures)
    tokens, disk = n * own, _read_bytes(stage, shape, texts.tokens, n * (own + texts.asked.shared))
    return Taken(texts.model, texts.label, tokens, work, 0, disk, memory, texts.assumed)


def _read_bytes(stage: ReadStage, shape: ModelShape, tokens: float, with_prompts: float) -> float:
    """What is stored of traces that are read: numbers, and states where these are asked for."""
    whole = {"pre_norm", "post_norm"} & set(stage.settings.states)
    states = len(whole) * with_prompts + ("final" in stage.settings.states) * tokens
    numbers = 4 * (stage.settings.alternatives + 1) + sum(measure.bytes_per_token for measure in stage.measures)
    return states * shape.width * shape.item + tokens * numbers


@taken.register
def _(stage: ContinueStage, known: Known) -> Taken:
    """A trace is read once; the continuations of its steps share its cache, and those of several traces a batch."""
    texts, settings = known.of(stage.traces), stage.settings
    shape = known.shape(stage.shared.name)
    traces = texts.tokens / max(1.0, texts.each)
    chosen = min(settings.max_steps, steps_of(texts, known))
    own, limit = texts.asked.tokens / max(1.0, texts.n) + texts.each / 2, settings.max_new_tokens
    before = texts.asked.shared + own
    artifact = known.artifact(stage)
    if artifact.complete and artifact.summary.get("continuations"):
        rows = float(artifact.summary["continuations"])
        each, chosen = total_cost(artifact, "tokens") / rows, rows / settings.k / max(1.0, traces)
    else:
        each = min(limit, known.settings.step_tokens) if settings.stop_at_paragraph else limit
        rows = traces * chosen * settings.k
    said = Texts(texts.model, texts.label, Lengths(0, [0], rows), rows * each, CONTINUED, texts.assumed)
    known.texts[artifact.key] = said
    if shape is None:
        return without_sizes(texts.model, texts.label)
    per_trace = texts.each + chosen * settings.k * limit
    batches = max(1.0, traces * per_trace / stage.max_batch_tokens)
    read = read_batch(1, math.ceil(own + texts.each / 2), texts.asked.shared).scaled(traces)
    written = write_batch(max(1, round(rows / batches)), math.ceil(before), limit)
    share = each / limit
    written = written._replace(
        tokens=share * written.tokens, pairs=share * written.pairs, keys=share * written.keys / settings.k
    ).scaled(batches)
    work = decoder(shape, read) + decoder(shape, written, "write")
    work += own_logits(shape, written.tokens, written.passes, "write")
    memory = model_bytes(shape, written._replace(held=min(written.held, stage.max_batch_tokens)))
    disk = rows * (each * 5 + 40)
    return Taken(texts.model, texts.label, rows * each, work, 0, disk, memory, texts.assumed)


@taken.register
def _(stage: JudgeStage, known: Known) -> Taken:
    texts = known.of(stage.traces)
    return _judged(stage, known, texts, steps_of(texts, known))


def _judged(stage: JudgeStage, known: Known, texts: Texts, steps: float) -> Taken:
    """Pairs of a continuation and a step: next to nothing but where a model reads them, and unknown at an endpoint."""
    choice, said = stage.shared_judge.choice, known.of(stage.source)
    pairs = said.n if said.form == CONTINUED else said.n * steps * _BROUGHT
    shape = known.shape(texts.model) if choice.is_model_under_study and texts.model in known.subjects else None
    disk = 40 * pairs
    if choice.endpoint is not None or choice.model is not None or choice.nli_model is not None:
        return Taken(texts.model, texts.label, disk=disk, assumed=texts.assumed, is_known=False)
    if not choice.is_model_under_study:
        return Taken(texts.model, texts.label, host_seconds=1e-3 * pairs, disk=disk, assumed=texts.assumed)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    width = _JUDGE_QUERY + 2 * known.settings.step_tokens
    rows = max(1, choice.max_batch_tokens // width)
    read = read_batch(rows, width).scaled(pairs / rows)
    work = decoder(shape, read) + own_logits(shape, pairs, read.passes)
    return Taken(texts.model, texts.label, pairs * width, work, 0, disk, model_bytes(shape, read), texts.assumed)


@taken.register
def _(stage: RadiiStage, known: Known) -> Taken:
    texts = known.of(stage.source)
    return replace(_of_texts(texts, 1.0), disk=4 * texts.tokens)


@taken.register
def _(stage: MarkStage, known: Known) -> Taken:
    return _of_texts(known.of(stage.source), 1.0)


@taken.register
def _(stage: StepStage, known: Known) -> Taken:
    if stage.config.name != "lexicon":
        texts = known.of(stage.source)
        return Taken(texts.model, texts.label, assumed=texts.assumed, is_known=False)
    return _of_texts(known.of(stage.source), 5.0)


@taken.register
def _(stage: ConfidenceStage, known: Known) -> Taken:
    return _of_texts(known.of(stage.source), 3.0)


def _of_texts(texts: Texts, weight: float) -> Taken:
    """A stage that reads traces on the CPU."""
    traces = texts.tokens / max(1.0, texts.each)
    seconds = weight * _PER_TRACE * traces * max(1.0, texts.each / 500)
    return Taken(texts.model, texts.label, 0, Work(), seconds, rows_bytes(texts.n), assumed=texts.assumed)


@taken.register
def _(stage: FaithStage, known: Known) -> Taken:
    texts = known.texts.get(stage.measured[0].run.traces.key)
    return Taken(texts.model if texts else "", texts.label if texts else stage.label, host_seconds=_SCORED, disk=1e5)


@taken.register
def _(stage: FaithReportStage, known: Known) -> Taken:
    return Taken(host_seconds=_SCORED + 2 * len(stage.scored), disk=5e6)
