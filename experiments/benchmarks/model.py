"""Everything that is measured on one language model."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ccps.console import say
from ccps.data.records import Question
from ccps.llm import LanguageModel, find_model
from ccps.stages.model import SharedModel
from ccps.stages.stage import Run
from experiments.benchmarks import forward, stored
from experiments.benchmarks.features import TokenStates
from experiments.benchmarks.page import Figure
from experiments.benchmarks.settings import BenchConfig
from experiments.benchmarks.timing import ratios, spread, take_turns

_CPU = torch.device("cpu")
_LARGE = 10**9


class ModelFigures(NamedTuple):
    """Figures of one model, by section.

    Attributes:
        forward: of the forward pass.
        extraction: of the extract stage beside it.
        storage: bytes per token.
        row_bytes: of a feature row; None if it was not measured.
    """

    forward: list[Figure]
    extraction: list[Figure]
    storage: list[Figure]
    row_bytes: float | None = None

    @classmethod
    def missing(cls, name: str, reason: str) -> "ModelFigures":
        """What stands in their place if the model is not to be had."""
        return cls(
            [Figure.missing("Our batches, times the plain speed", name, reason, forward.TARGET)],
            [Figure.missing("Extraction over our forward pass", name, reason, stored.EXTRACTION_TARGET)],
            [Figure.missing("Released pipeline over ours", name, reason, stored.STORAGE_TARGET)],
        )


def open_model(name: str, config: BenchConfig) -> SharedModel:
    """Find a model and load it.

    Raises:
        UserError: it is not to be had.
    """
    shared = SharedModel(find_model(name, config.model[name]))
    shared.get(_CPU)
    return shared


def answer_states(lm: LanguageModel, questions: Sequence[Question], config: BenchConfig) -> TokenStates:
    """The greedy answer tokens of questions, with their states, and the head."""
    states = forward.read_bucketed(lm, forward.build_prompts(lm, questions, config.max_batch_tokens))
    token_ids = lm.own_logits(states).argmax(1)
    return TokenStates(states.float(), lm.head.weight.float(), token_ids, lm.head.bias, f"{lm.files.name} on MMLU")


def measure_model(shared: SharedModel, questions: Sequence[Question], config: BenchConfig) -> ModelFigures:
    """Measure the forward pass both ways, extraction beside it, and what is stored.

    Args:
        shared: the model.
        questions: the whole benchmark, in dataset order.
        config: how much, how often.
    """
    lm, name = shared.get(_CPU), shared.name
    sampled = forward.representative(questions, config.questions)
    prompts = forward.build_prompts(lm, sampled, config.max_batch_tokens)
    whole = forward.build_prompts(lm, questions, config.max_batch_tokens)
    states = forward.read_bucketed(lm, prompts)
    forward.read_plain(lm, forward.Prompts(prompts.ids[: forward.PLAIN_BATCH], config.max_batch_tokens))
    token_ids = lm.own_logits(states).argmax(1)
    ids = [question.id for question in sampled]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        head = shared.save_head(Run(root), _CPU)
        answers = stored.write_answers(root, ids, token_ids, states)
        started = time.perf_counter()
        stage = stored.prepared_stage(answers, head, config.perturbation)
        loading = time.perf_counter() - started
        stored.extract(stage, root / "extracted")
        seconds, results = take_turns(
            {
                "plain": lambda: forward.read_plain(lm, prompts),
                "bucketed": lambda: forward.read_bucketed(lm, prompts),
                "extraction": lambda: stored.extract(stage, root / "extracted"),
            },
            config.repetitions,
            f"forward, {name}",
        )
        say("forward", name, f"{len(sampled)} questions, plain and bucketed, and extraction beside them")
        all_ids = [question.id for question in questions]
        sizes = stored.measure_stored(lm, prompts, all_ids, head, config.perturbation, root)
        say("storage", name, f"{sum(sizes):,.0f} bytes per answer token")
    agreement = (lm.own_logits(results["plain"]).argmax(1) == token_ids).float().mean().item()
    target = stored.EXTRACTION_TARGET if lm.model.num_parameters() >= _LARGE else None
    subject = f"{name}, {len(sampled)} questions"
    vocabulary, width = lm.head.weight.shape
    return ModelFigures(
        forward.forward_figures(name, prompts, whole, seconds, agreement),
        [
            Figure.of("Extraction", subject, spread(1000 * s / len(ids) for s in seconds["extraction"]), "ms/token"),
            Figure.of("Extraction over our forward pass", subject,
                      ratios(seconds["extraction"], seconds["bucketed"], 100), "%", target),
            Figure("Reading and casting the head, once", name, loading, "s"),
        ],
        stored.storage_figures(name, sizes, width, vocabulary),
        sizes.row,
    )  # fmt: skip
