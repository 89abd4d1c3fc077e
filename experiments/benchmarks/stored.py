"""The bytes that states and features take on disk, written by the extract stage itself into a temporary folder."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.llm import Passage, final_states
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import Run
from ccps.settings.answering import AnsweringConfig
from ccps.settings.perturbation import PerturbationConfig
from ccps.stages.main.extract import ExtractStage
from experiments.benchmarks.page import Figure, Target

TARGET = Target("≥", 30)
STORED_TOKENS = 510
PAPER_WIDTH, PAPER_VOCABULARY = 4096, 128_256
_PAPER_MODEL = "Llama-3.1-8B, computed"

TEXT = (
    f"States of the {STORED_TOKENS} tokens of some answers, written as the answer stage and the extract stage write "
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


def write_answers(root: Path, answers: Sequence[Sequence[int]], states: Tensor) -> Artifact:
    """Write the tokens of answers and their states `[tokens, d]` as the answer stage does, in shards of its size."""
    ids = [f"mmlu/a_subject/{index}" for index in range(len(answers))]
    artifact = Artifact.at(root, "answer", {"questions": ids})
    size = AnsweringConfig().shard_questions
    starts = range(0, len(ids), size)
    by_answer = states.cpu().split([len(answer) for answer in answers])
    with artifact.writing():
        for index, start in enumerate(starts):
            part = slice(start, start + size)
            rows = {"question_id": ids[part], "answer_ids": [list(answer) for answer in answers[part]]}
            with artifact.shard(index) as folder:
                pq.write_table(pa.table(rows), folder / ROWS)
                save_file({"states": torch.cat(by_answer[part])}, folder / TENSORS)
        artifact.finish(len(starts), {})
    return artifact


def extract(stage: ExtractStage, folder: Path) -> int:
    """Run the stage's whole plan into a folder; return the bytes of its rows."""
    size = 0
    for index, shard in enumerate(stage.plan()):
        shard_folder = folder / str(index)
        shard_folder.mkdir(parents=True, exist_ok=True)
        stage.save_shard([stage.step(work.content) for work in shard], shard_folder)
        size += (shard_folder / ROWS).stat().st_size
    return size


def measure_stored(
    model: SharedModel, passages: Sequence[Passage], perturbation: PerturbationConfig, device: torch.device
) -> Stored:
    """Write states and features of some answers, and count bytes."""
    lm = model.get(device)
    states = torch.cat(final_states(lm, passages))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        answers = write_answers(root, [passage.answer for passage in passages], states)
        stage = ExtractStage(answers, model.save_head(Run(root), device), "bench", perturbation)
        stage.prepare(device)
        state_bytes = sum(path.stat().st_size for path in answers.folder.rglob(TENSORS))
        return Stored(state_bytes / len(states), extract(stage, root / "rows") / len(states))


def storage_figures(
    name: str, stored: Stored, width: int, vocabulary: int, target: Target | None = TARGET
) -> list[Figure]:
    """Bytes per token of ours and of the released pipeline, and their ratio."""
    released, ours = released_bytes(width, vocabulary), sum(stored)
    return [
        Figure("State", name, stored.state, "bytes/token"),
        Figure("Feature row", name, stored.row, "bytes/token"),
        Figure("Released pipeline, (7·d + V)·2", name, released, "bytes/token"),
        Figure("Released pipeline over ours", name, released / ours, "×", target=target),
    ]


def missing(name: str, reason: str) -> Figure:
    """What stands in the place of a model's figures if they cannot be measured."""
    return Figure.missing("Released pipeline over ours", name, reason, TARGET)


def of_paper_model(rows: Sequence[float]) -> list[Figure]:
    """Bytes for the smallest model of the paper, computed, from the largest feature row that was written."""
    if not rows:
        return [missing(_PAPER_MODEL, "no feature row was written.")]
    return storage_figures(_PAPER_MODEL, Stored(2 * PAPER_WIDTH, max(rows)), PAPER_WIDTH, PAPER_VOCABULARY)
