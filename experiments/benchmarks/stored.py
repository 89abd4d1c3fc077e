"""What extraction costs beside the forward pass, and the bytes that states and features take on disk.

Both use the extract stage itself, on an artifact of answers that is written into a temporary folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from ccps.artifacts import ROWS, TENSORS, Artifact
from ccps.llm import LanguageModel, Passage, final_states
from ccps.stages.config import AnsweringConfig, PerturbationConfig
from ccps.stages.extract import ExtractStage
from experiments.benchmarks.forward import Prompts
from experiments.benchmarks.page import Figure, Target

EXTRACTION_TARGET = Target("≤", 5)
STORAGE_TARGET = Target("≥", 30)
STORED_TOKENS = 512
PAPER_WIDTH, PAPER_VOCABULARY = 4096, 128_256

EXTRACTION_TEXT = (
    "The extract stage on the states of the same questions (reading them, the features, writing the rows), in turns "
    "with the forward pass above, as a share of our batches' time; the plain batches would make it smaller. The target "
    "is for a model of at least a billion parameters: the smaller the model, the more of it is head. Reading the head "
    "and casting it to float32 happens once per run of the stage and is not in the share."
)
STORAGE_TEXT = (
    f"Real states of {STORED_TOKENS} tokens of the prompts, written as the answer stage and the extract stage write "
    "them, shard by shard; file sizes divided by tokens. A state is 2·d bytes, a feature row 75 float32 numbers with "
    "question id, position and token id. The released pipeline keeps, per answer token and in two bytes each, seven "
    "states or gradients and the logits: (7·d + V)·2 bytes before compression (CCPS, arXiv 2505.21772, released code). "
    f"For Llama-3.1-8B (d = {PAPER_WIDTH:,}, V = {PAPER_VOCABULARY:,}) it is computed: 2·d bytes and the largest "
    "feature row measured. Answers and prompts themselves are not counted on either side."
)


class Stored(NamedTuple):
    """Bytes per answer token."""

    state: float
    row: float


def released_bytes(width: int, vocabulary: int) -> int:
    """What the released pipeline of CCPS stores per answer token: seven vectors of the width, and the logits."""
    return (7 * width + vocabulary) * 2


def write_answers(root: Path, ids: Sequence[str], token_ids: Tensor, states: Tensor) -> Artifact:
    """Write states as the answer stage does, one token per question, in shards of its size."""
    artifact = Artifact.at(root, "answer", {"questions": list(ids)})
    size = AnsweringConfig().shard_questions
    starts = range(0, len(ids), size)
    with artifact.writing():
        for index, start in enumerate(starts):
            part = slice(start, start + size)
            rows = {"question_id": ids[part], "answer_ids": [[token] for token in token_ids[part].tolist()]}
            with artifact.shard(index) as folder:
                pq.write_table(pa.table(rows), folder / ROWS)
                save_file({"states": states[part].contiguous()}, folder / TENSORS)
        artifact.finish(len(starts), {})
    return artifact


def prepared_stage(answers: Artifact, head: Artifact, perturbation: PerturbationConfig) -> ExtractStage:
    """The extract stage with its head loaded."""
    stage = ExtractStage(answers, head, "bench", perturbation)
    stage.prepare(torch.device("cpu"))
    return stage


def extract(stage: ExtractStage, folder: Path) -> int:
    """Run the stage's whole plan into a folder; return the bytes of its rows."""
    size = 0
    for index, shard in enumerate(stage.plan()):
        shard_folder = folder / f"{index:05d}"
        shard_folder.mkdir(parents=True, exist_ok=True)
        stage.save_shard([stage.step(work.content) for work in shard], shard_folder)
        size += (shard_folder / ROWS).stat().st_size
    return size


class Tail(NamedTuple):
    """Tokens of prompts and the states that predicted them."""

    token_ids: Tensor
    states: Tensor


def prompt_states(lm: LanguageModel, prompts: Prompts, n: int) -> Tail:
    """States of real tokens: each prompt is read as if what follows the shared tokens were its answer.

    Prompts are taken from the first on until there are n tokens, all if that is too few.
    """
    start = max(1, prompts.shared)
    tokens: list[int] = []
    states = []
    for prompt in prompts.ids:
        if len(tokens) >= n:
            break
        passage = Passage(prompt[:start], prompt[start:])
        states += final_states(lm, [passage])
        tokens += passage.answer
    return Tail(torch.tensor(tokens[:n]), torch.cat(states)[:n].cpu())


def measure_stored(
    lm: LanguageModel,
    prompts: Prompts,
    ids: Sequence[str],
    head: Artifact,
    perturbation: PerturbationConfig,
    root: Path,
) -> Stored:
    """Write states and features of some hundred tokens, and count bytes; every token has a question id of its own."""
    tail = prompt_states(lm, prompts, STORED_TOKENS)
    n = len(tail.token_ids)
    answers = write_answers(root, ids[:n], tail.token_ids, tail.states)
    state_bytes = sum(path.stat().st_size for path in answers.folder.rglob(TENSORS))
    rows = extract(prepared_stage(answers, head, perturbation), root / "stored")
    return Stored(state_bytes / n, rows / n)


def storage_figures(name: str, stored: Stored, width: int, vocabulary: int) -> list[Figure]:
    """Bytes per token of ours and of the released pipeline, and their ratio."""
    released, ours = released_bytes(width, vocabulary), sum(stored)
    return [
        Figure("State", name, stored.state, "bytes/token"),
        Figure("Feature row", name, stored.row, "bytes/token"),
        Figure("Released pipeline, (7·d + V)·2", name, released, "bytes/token"),
        Figure("Released pipeline over ours", name, released / ours, "×", target=STORAGE_TARGET),
    ]
