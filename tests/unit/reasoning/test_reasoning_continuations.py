"""Which prefixes steps are said again from, how they are batched, and what of a continuation is kept."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ccps.asking.samples import uniforms
from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.faithful import first_paragraph, sampled_steps, segment, trace_random
from ccps.llm import LanguageModel, compute_prefix
from ccps.llm import fork as forking
from ccps.llm.sample import Sampled, sample
from ccps.reasoning import continuations
from ccps.reasoning.continuations import ChosenSteps, LeftOut, StepSampler, choose_steps
from ccps.reasoning.paragraphs import ParagraphReader, first_sentence
from ccps.reasoning.trace import Trace
from ccps.settings.faithful.continuations import ContinuationSettings

TEXT = "<think>\nOne and one.\n\nTwo and two.\n\nThree.\n\nFour is 4.\n</think>\n\nFour"
SMALL = ContinuationSettings(k=3, max_new_tokens=12, temperature=1.2, top_p=0.9)
PLENTY = 10_000


def trace(lm: LanguageModel, name: str = "t", text: str = TEXT, *, ids: bool = True, prompt: str = "Add up!") -> Trace:
    """A trace of bytes: each token is one character."""
    prompt_ids = lm.tokenizer(prompt)["input_ids"]
    if not ids:
        return Trace(name, name, text, prompt_ids=prompt_ids)
    offsets = np.stack([np.arange(len(text)), np.arange(len(text)) + 1], axis=1)
    return Trace(name, name, text, True, prompt_ids, lm.tokenizer(text)["input_ids"], offsets)


def asked(one: Trace, chosen: Sequence[int] | None = None) -> ChosenSteps:
    steps = segment(one.text)
    return ChosenSteps(one, steps, range(len(steps)) if chosen is None else chosen)


def plainly(lm: LanguageModel, one: ChosenSteps, settings: ContinuationSettings, mode: Any = "strict") -> list[Any]:
    """Every prefix read for itself, all tokens drawn, the paragraph cut out afterwards."""
    found = []
    for step in one.chosen:
        start = 0 if mode == "parity" and step == 0 else one.steps[step].start
        prompt = [*one.trace.prompt_ids, *lm.tokenizer(one.trace.text[:start])["input_ids"]]
        numbers = uniforms(settings.seed, [f"{one.trace.id}/{step}"], settings.k, settings.max_new_tokens)
        [row] = sample(lm, [prompt], numbers, settings.temperature, settings.top_p)
        whole = [lm.tokenizer.decode(sampled.tokens, skip_special_tokens=True) for sampled in row]
        found.append([first_paragraph(text, mode=mode) for text in whole])
    return found


def texts(sampler: StepSampler) -> dict[tuple[str, int], list[str]]:
    return {
        (row[0].trace_id, row[0].step): [one.text for one in row]
        for batch in sampler.batches
        for row in sampler.draw(batch)
    }


@pytest.fixture
def lm(tiny_model: Callable[..., LanguageModel]) -> LanguageModel:
    """Most of what it draws ends a line, so that paragraphs end too."""
    lm = tiny_model("llama", seed=3)
    newline = lm.tokenizer("\n")["input_ids"][0]
    own = lm.own_logits

    class Breaking(LanguageModel):
        def own_logits(self, hidden: torch.Tensor) -> torch.Tensor:
            logits = own(hidden).clone()
            logits[:, newline] = logits.max(dim=1).values + 2
            return logits

    return Breaking(lm.files, lm.model, lm.tokenizer, lm.head, ())


@pytest.mark.parametrize("mode", ["strict", "parity"])
@pytest.mark.parametrize("ids", [True, False])
def test_paragraphs_are_those_of_prefixes_read_for_themselves(
    mode: Any, ids: bool, tiny_model: Callable[..., LanguageModel]
) -> None:
    lm = tiny_model("llama")
    one, other = asked(trace(lm, ids=ids)), asked(trace(lm, "u", TEXT[20:], ids=ids), [2, 0])
    sampler = StepSampler(lm, [one, other], SMALL, PLENTY, mode=mode)
    assert sampler.forks
    assert sampler.left_out == []
    assert sampler.retokenised == ([] if ids else ["t", "u"])
    found = texts(sampler)
    assert [found["t", step] for step in range(4)] == plainly(lm, one, SMALL, mode)
    assert [found["u", step] for step in (2, 0)] == plainly(lm, other, SMALL, mode)


@pytest.mark.parametrize("forks", [True, False])
def test_what_all_prompts_begin_with_is_read_once(forks: bool, tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    one, other = asked(trace(lm)), asked(trace(lm, "u", TEXT[20:], ids=False, prompt="Add them!"), [2, 0])
    shared = compute_prefix(lm, lm.tokenizer("Add ")["input_ids"])
    assert shared is not None
    sampler = StepSampler(lm, [one, other], SMALL, PLENTY, forks=forks, shared=shared)
    assert texts(sampler) == texts(StepSampler(lm, [one, other], SMALL, PLENTY))
    assert shared.cache.get_seq_length() == 4


def test_stopping_at_the_paragraph_gives_the_same_paragraph_with_fewer_tokens(lm: LanguageModel) -> None:
    settings = replace(SMALL, max_new_tokens=40, k=6, temperature=1.0, top_p=1.0)
    stopping, drawing = (
        StepSampler(lm, [asked(trace(lm))], replace(settings, stop_at_paragraph=stop), PLENTY) for stop in (True, False)
    )
    few, all_of_them = (
        [one for batch in sampler.batches for row in sampler.draw(batch) for one in row]
        for sampler in (stopping, drawing)
    )
    assert [one.text for one in few] == [one.text for one in all_of_them]
    assert {one.n_tokens for one in all_of_them} == {40}
    assert sum(one.n_tokens for one in few) < 24 * 40 / 2
    assert [(one.step, one.sample) for one in few] == [(step, sample) for step in range(4) for sample in range(6)]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", False),
        ("\n\n", False),
        ("A.", False),
        ("A.\n", False),
        ("A.\n\n", True),
        ("\n\nA.\n\n", True),
        ("A.\n \n", True),
        ("A.\r\n\r\n", True),
        ("A.</think>", True),
        ("</think>", True),
        ("</think", False),
        ("A > B", False),
    ],
)
def test_a_paragraph_is_complete_when_more_text_changes_nothing(
    text: str, complete: bool, tiny_model: Callable[..., LanguageModel]
) -> None:
    tokenizer = tiny_model("llama").tokenizer
    reader = ParagraphReader(tokenizer, "strict")
    tokens = tokenizer(text)["input_ids"]
    assert (bool(tokens) and reader.is_complete(tokens)) == complete


def test_tokens_that_end_turns_are_no_text_and_think_tags_are(tiny_model: Callable[..., LanguageModel]) -> None:
    tokenizer = tiny_model("llama").tokenizer
    reader = ParagraphReader(tokenizer, "strict")
    ids = [*tokenizer("A")["input_ids"], tokenizer.eos_token_id, *tokenizer("</think>B")["input_ids"]]
    assert reader.paragraph(ids) == "A"


@pytest.mark.parametrize(
    ("paragraph", "sentence"),
    [
        ("Two. Three! Four?", "Two."),
        ("Two, i.e. 1.5 + 0.5, is even. So go on.", "Two, i.e. 1.5 + 0.5, is even."),
        ("No end", "No end"),
        ("", ""),
    ],
)
def test_the_first_sentence_of_a_paragraph(paragraph: str, sentence: str) -> None:
    assert first_sentence(paragraph) == sentence
    assert [step.text for step in segment(paragraph, unit="sentence")][:1] == ([sentence] if sentence else [])


def test_sentences_are_said_again_with_sentences(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    said = lm.tokenizer("Six. Seven.\n\nEight.")["input_ids"]

    class Scripted(Engine):
        def sample(self, prompts: Any, *_: Any, **__: Any) -> list[list[Sampled]]:
            return [[Sampled(said, 0.0, True)] * SMALL.k for _ in prompts]

    one = trace(lm, text="One. Two.\n\nThree.")
    steps = segment(one.text, unit="sentence")
    chosen = ChosenSteps(one, steps, range(len(steps)))
    sampler = StepSampler(lm, [chosen], SMALL, PLENTY, unit="sentence", writer=Scripted(lm))
    wanted = {("t", step): ["Six."] * SMALL.k for step in range(3)}
    assert texts(sampler) == wanted
    assert [job.length for job in sampler.jobs] == [len("Add up!") + start for start in (0, 5, 11)]
    paragraphs = StepSampler(lm, [chosen], SMALL, PLENTY, writer=Scripted(lm))
    assert texts(paragraphs) == {key: ["Six. Seven."] * SMALL.k for key in wanted}


def test_a_token_that_reaches_into_the_step_ends_the_prefix_before_it(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    text = "ab\n\ncd"
    offsets = np.array([[0, 1], [1, 2], [2, 5], [5, 6]])  # the third is the blank line with the "c"
    one = Trace("t", "t", text, True, [5, 6], [10, 11, 12, 13], offsets)
    sampler = StepSampler(lm, [asked(one)], SMALL, PLENTY)
    assert [job.length for job in sampler.jobs] == [2, 4]
    assert sampler._prefix(asked(one), 1) == [5, 6, 10, 11]


def test_batches_hold_steps_in_order_and_count_a_shared_prefix_once(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    one, other = asked(trace(lm)), asked(trace(lm, "u"))
    own = SMALL.k * SMALL.max_new_tokens
    lengths = [job.length for job in StepSampler(lm, [one], SMALL, PLENTY).jobs]
    assert lengths == [len("Add up!") + step.start for step in one.steps]
    assert StepSampler(lm, [one, other], SMALL, lengths[-1] + 4 * own).batches == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert StepSampler(lm, [one, other], SMALL, lengths[-1] + 4 * own - 1).batches == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert StepSampler(lm, [one], SMALL, 1).batches == [[0], [1], [2], [3]]
    whole = StepSampler(lm, [one, other], SMALL, 2 * lengths[-1] + 8 * own)
    assert whole.batches == [list(range(8))]
    assert texts(whole) == texts(StepSampler(lm, [one, other], SMALL, 1))


def test_steps_without_room_or_prompt_are_left_out_with_the_reason(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("mistral", sliding_window=48)
    homeless = asked(replace(trace(lm, "h"), prompt_ids=()), [1])
    sampler = StepSampler(lm, [asked(trace(lm)), homeless], SMALL, PLENTY)
    starts = [step.start + len("Add up!") for step in segment(TEXT)]
    assert [job.length for job in sampler.jobs] == starts[:2]
    assert starts[1] <= 48 - 12 < starts[2]
    assert sampler.left_out == [
        *(LeftOut("t", step, f"{starts[step]} tokens before it, and the context has room for 36") for step in (2, 3)),
        LeftOut("h", 1, "the token ids of its prompt are unknown"),
    ]
    assert sampler.retokenised == []


def test_a_trace_whose_ids_do_not_fit_is_tokenised(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    broken = replace(trace(lm), token_ids=[5, 5, 5], misaligned="3 ids")
    sampler = StepSampler(lm, [asked(broken)], SMALL, PLENTY)
    assert sampler.retokenised == ["t"]
    assert texts(sampler) == texts(StepSampler(lm, [asked(trace(lm, ids=False))], SMALL, PLENTY))


class Engine:
    """Writes after whole prefixes, as a writer does that is not the model itself."""

    deviation = None

    def __init__(self, lm: LanguageModel) -> None:
        self.lm = lm
        self.lengths: list[int] = []

    def sample(self, prompts: Any, *arguments: Any, **named: Any) -> list[list[Sampled]]:
        self.lengths += [len(prompt) for prompt in prompts]
        return sample(self.lm, prompts, *arguments, **named)

    def write(self, *_: Any, **__: Any) -> Any:
        raise AssertionError


def test_another_writer_is_given_whole_prefixes(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    one, writer = asked(trace(lm)), Engine(lm)
    sampler = StepSampler(lm, [one], SMALL, PLENTY, writer=writer)
    assert not sampler.forks
    assert texts(sampler) == texts(StepSampler(lm, [one], SMALL, PLENTY))
    assert writer.lengths == [job.length for job in sampler.jobs]
    longest = SMALL.k * (sampler.jobs[0].length + SMALL.max_new_tokens)
    assert StepSampler(lm, [one], SMALL, longest, writer=writer).batches == [[0], [1], [2], [3]]


def test_a_model_whose_cache_cannot_be_forked_reads_every_prefix(
    tiny_model: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lm = tiny_model("llama")
    one = asked(trace(lm))
    forked = texts(StepSampler(lm, [one], SMALL, PLENTY))
    monkeypatch.setattr(continuations, "can_fork", lambda _: False)
    sampler = StepSampler(lm, [one], SMALL, PLENTY)
    assert not sampler.forks
    assert "cannot be shared" in capsys.readouterr().out
    assert texts(sampler) == forked


def test_half_a_batch_is_drawn_after_the_other_when_memory_runs_out(
    tiny_model: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = tiny_model("llama")
    sampler = StepSampler(lm, [asked(trace(lm))], SMALL, PLENTY)
    wanted = sampler.draw([0, 1, 2, 3])
    sizes: list[int] = []

    def tight(model: LanguageModel, forks: Any, *arguments: Any) -> Any:
        sizes.append(len(forks))
        if len(forks) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forking.fork(model, forks, *arguments)

    monkeypatch.setattr(continuations, "fork", tight)
    assert sampler.draw([0, 1, 2, 3]) == wanted
    assert sizes == [4, 2, 2]


def test_an_empty_continuation_is_said_to_be_empty(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = replace(tiny_model("llama"), end_tokens=tuple(range(259)))
    sampler = StepSampler(lm, [asked(trace(lm), [1])], SMALL, PLENTY)
    [[one, *_]] = sampler.draw([0])
    assert one == ("t", 1, 0, "", 0, True)


def test_a_trace_without_steps_and_one_continuation_of_one_step(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    alone = replace(SMALL, k=1)
    sampler = StepSampler(lm, [asked(trace(lm, text="")), asked(trace(lm, "u", "Only."))], alone, PLENTY)
    assert sampler.batches == [[0]]
    [[one]] = sampler.draw([0])
    assert (one.trace_id, one.step, one.sample) == ("u", 0, 0)
    assert StepSampler(lm, [], SMALL, PLENTY).batches == []


class TestChoice:
    def test_strict_depends_on_the_trace_alone(self) -> None:
        settings = ContinuationSettings(max_steps=4)
        both = choose_steps(["a", "b"], [30, 40], settings)
        assert both[1] == choose_steps(["b"], [40], settings)[0] == sampled_steps(40, trace_random(42, "b"), 4)

    def test_parity_goes_through_all_traces_with_one_source(self) -> None:
        settings = ContinuationSettings(max_steps=4)
        source = random.Random(42)
        wanted = [[0, *sorted(source.sample(range(1, n - 1), 2)), n - 1] for n in (30, 40)]
        assert choose_steps(["a", "s", "b"], [30, 3, 40], settings, mode="parity") == [wanted[0], [0, 1, 2], wanted[1]]


def test_settings_that_nothing_can_be_drawn_with_are_refused_together() -> None:
    check(ContinuationSettings(k=1), "faithful.sampling")
    with pytest.raises(UserError) as caught:
        check(ContinuationSettings(k=0, temperature=0, top_p=1.5, max_steps=1, seed=-1), "faithful.sampling")
    for name in ("k", "temperature", "top_p", "max_steps", "seed"):
        assert f"`faithful.sampling.{name}`" in str(caught.value)
