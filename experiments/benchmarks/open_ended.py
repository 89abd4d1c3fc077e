"""Answers of many tokens: extraction against the paper's own procedure, and what confidence adds to generating."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ccps.asking.interview import Answer, Interview, Manner
from ccps.core.errors import expected
from ccps.data.prompts import chat_messages
from ccps.data.records import Question
from ccps.llm import LanguageModel, generate, prompt_ids
from ccps.perturbation import reference_features, stability_features
from ccps.probes import FittedProbe, ProbeConfig, fit_probe
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.probe import EncoderConfig, HeadConfig, StageConfig
from experiments.benchmarks.features import largest_difference
from experiments.benchmarks.forward import representative
from experiments.benchmarks.page import Figure, Section, Target
from experiments.benchmarks.timing import Spread, ratios, spread, take_turns

EXTRACTION_TARGET = Target("≥", 80)
OVERHEAD_TARGET = Target("≤", 15)
ANSWER_TOKENS = 30
PROMPT_TOKENS = 100
BATCH = 8

TITLE = "Open-ended answers"
TEXT = (
    f"Extraction: answers of exactly {ANSWER_TOKENS} tokens to prompts of about {PROMPT_TOKENS}, the same for both "
    "ways, from token ids to feature rows in one process. The paper's procedure takes one token after the other: "
    "two forward passes over the whole text so far without a cache, the logits of all positions with them, then "
    "its features as above (CCPS, arXiv 2505.21772). Ours reads all answers teacher-forced in one batch, what the "
    f"prompts share only once. Generating: questions as they come, greedy answers of up to {ANSWER_TOKENS} tokens "
    f"in batches of {BATCH}; with confidence, every answer gets its features and its probability from a probe. The "
    "share is what features and probe add to our own generating, and to that of transformers alone, in padded "
    "batches without a shared prefix. Logits are computed again from the states: those of the generation are "
    "rounded to bfloat16, which features would show. The model is held in bfloat16, features are float32; the "
    "states of the two ways of extraction differ by the rounding of batches of other shapes, so their features do "
    "too."
)


def missing(name: str, reason: str) -> Section:
    """What stands in the section's place if the model or its questions are not to be had."""
    return Section(
        TITLE,
        TEXT,
        [
            Figure.missing("Extraction, times the paper's speed", name, reason, EXTRACTION_TARGET),
            Figure.missing("What confidence adds", name, reason, OVERHEAD_TARGET),
        ],
    )


def answered(lm: LanguageModel, questions: Sequence[Question], n: int) -> list[Question]:
    """Questions with prompts near the length wanted, each with an answer of the model that has just so many tokens.

    Raises:
        UserError: too few answers keep their number of tokens.
    """
    prompts = [prompt_ids(lm.tokenizer, chat_messages(question)) for question in questions]
    nearest = sorted(range(len(questions)), key=lambda index: (abs(len(prompts[index]) - PROMPT_TOKENS), index))
    candidates = nearest[: 4 * n]  # not every text has as many tokens when it is tokenised again
    endless = replace(lm, end_tokens=())
    written = generate(endless, [prompts[index] for index in candidates], ANSWER_TOKENS)
    texts = [lm.tokenizer.decode(answer.tokens, skip_special_tokens=True).strip() for answer in written]
    given = [replace(questions[index], given_answer=text) for index, text in zip(candidates, texts, strict=True)]
    ids = Interview(lm, given, Manner()).given
    fitting = [question for question, tokens in zip(given, ids, strict=True) if len(tokens or []) == ANSWER_TOKENS]
    if len(fitting) < n:
        raise expected(
            f"the answers of model `{lm.files.name}`",
            f"of {ANSWER_TOKENS} tokens, {n} of them, when their text is tokenised again",
            f"{len(fitting)} of {len(given)}",
            "Lower `answers`, or measure another model.",
        )
    return fitting[:n]


@torch.inference_mode()
def states_by_the_paper(lm: LanguageModel, prompt: list[int], answer: list[int]) -> Tensor:
    """States `[tokens, d]` of one answer: the whole text so far twice for every token."""
    states = []
    for index in range(len(answer)):
        ids = torch.tensor([[*prompt, *answer[:index]]], device=lm.device)
        for _ in range(2):  # once for the state, once more in the helper that takes the gradient
            output = lm.model(input_ids=ids, use_cache=False, output_hidden_states=True)
        states.append(output.hidden_states[-1][0, -1])
    return torch.stack(states)


@torch.inference_mode()
def generate_plainly(lm: LanguageModel, questions: Sequence[Question]) -> None:
    """What a user of transformers would write: a padded batch, `generate`, and nothing of ours in between."""
    from transformers import GenerationConfig

    prompts = [prompt_ids(lm.tokenizer, chat_messages(question)) for question in questions]
    width = max(map(len, prompts))
    lengths = torch.tensor([[len(prompt)] for prompt in prompts], device=lm.device)
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=lm.device)
    mask = (torch.arange(width, device=lm.device) >= width - lengths).long()
    config = GenerationConfig(
        max_new_tokens=ANSWER_TOKENS, do_sample=False, eos_token_id=list(lm.end_tokens), pad_token_id=0
    )
    lm.model.generate(input_ids=ids, attention_mask=mask, generation_config=config)


def measure_open_ended(
    lm: LanguageModel, questions: Sequence[Question], perturbation: PerturbationConfig, repetitions: int, n: int
) -> Section:
    """Time extraction in both ways on the same answers, and generating with and without confidence."""
    head = lm.head.to(lm.device, torch.float32)
    name, radius, steps = lm.files.name, perturbation.radius, perturbation.steps
    given = answered(lm, questions, n)
    reading = Interview(lm, given, Manner())
    asked = representative(questions, 4 * BATCH)

    def paper(n_answers: int = n) -> Tensor:
        features = []
        for prompt, answer in zip(reading.prompts[:n_answers], reading.given, strict=False):
            states = states_by_the_paper(lm, prompt, answer or [])
            tokens = torch.tensor(answer, device=lm.device)
            features.append(reference_features(states, head, tokens, radius, steps))
        return torch.cat(features)

    def features_of(answers: Sequence[Answer]) -> Tensor:
        states = torch.cat([answer.states for answer in answers]).to(lm.device)
        tokens = torch.tensor([token for answer in answers for token in answer.tokens], device=lm.device)
        return stability_features(states, head, tokens, radius, steps).cpu()

    def ours() -> Tensor:
        return features_of(Interview(lm, given, Manner()).answer_all())

    batches = [asked[i : i + BATCH] for i in range(0, len(asked), BATCH)]

    def plain() -> None:
        for batch in batches:
            generate_plainly(lm, batch)

    def without() -> None:
        for batch in batches:
            Interview(lm, batch, Manner()).answer_all()

    def with_confidence() -> list[Answer]:
        found: list[Answer] = []
        for batch in batches:
            answers = Interview(lm, batch, Manner()).answer_all()
            filled = [answer for answer in answers if answer.tokens]
            probe.predict(features_of(filled).numpy(), [len(answer.tokens) for answer in filled])
            found += answers
        return found

    probe = any_probe(ours(), radius)
    paper(1)
    written = with_confidence()
    reads, results = take_turns({"paper": paper, "ours": ours}, repetitions, f"extraction, {name}")
    ways = {"plain": plain, "without": without, "with": with_confidence}
    writes, _ = take_turns(ways, repetitions, f"generating, {name}")
    difference = largest_difference(results["ours"], results["paper"])
    lengths = [len(answer.tokens) for answer in written]
    on = f"{name}, {len(given)} answers"
    mean = sum(map(len, reading.prompts)) / len(given)
    writing = f"{name}, {len(asked)} questions"
    return Section(
        TITLE,
        TEXT,
        [
            Figure.of("The paper's procedure", on, spread(s / len(given) for s in reads["paper"]), "s/answer"),
            Figure.of("Extraction", on, spread(s / len(given) for s in reads["ours"]), "s/answer"),
            Figure.of("Extraction, times the paper's speed", on, ratios(reads["paper"], reads["ours"]), "×",
                      EXTRACTION_TARGET),
            Figure("Tokens of a prompt, mean", on, mean, "tokens"),
            Figure(f"Largest difference, in `{difference.column}`", on, difference.largest, ""),
            Figure.of("Generating with transformers alone", writing,
                      spread(sum(lengths) / s for s in writes["plain"]), "tokens/s"),
            Figure.of("Generating, states caught", writing, spread(sum(lengths) / s for s in writes["without"]),
                      "tokens/s"),
            Figure.of("Generating with confidence", writing, spread(sum(lengths) / s for s in writes["with"]),
                      "tokens/s"),
            Figure.of("What confidence adds", writing, added(writes["without"], writes["with"]), "%", OVERHEAD_TARGET),
            Figure.of("The same, beside transformers alone", writing, added(writes["plain"], writes["with"]), "%",
                      OVERHEAD_TARGET),
            Figure("Tokens of an answer, mean", writing, sum(lengths) / len(lengths), "tokens"),
        ],
    )  # fmt: skip


def added(before: Sequence[float], after: Sequence[float]) -> Spread:
    """Per cent of time that is added, repetition by repetition."""
    return spread(100 * (b / a - 1) for a, b in zip(before, after, strict=True))


def any_probe(features: Tensor, radius: float) -> FittedProbe:
    """A probe of the paper's shape, for its speed only: half of its training answers count as right."""
    answers = len(features) // ANSWER_TOKENS
    config = ProbeConfig(
        encoder=EncoderConfig(kernels=[3, 3, 3], max_tokens=ANSWER_TOKENS, embed_dim=16, activation="ReLU"),
        head=HeadConfig(hidden=[32], activation="ReLU"),
        contrastive=StageConfig(steps=0),
        classifier=StageConfig(steps=1),
        validation_fraction=0.5,
    )
    numbers = np.repeat(np.arange(answers), ANSWER_TOKENS)
    return fit_probe(features.numpy(), numbers % 2, numbers.tolist(), config, seed=0, radius=radius)
