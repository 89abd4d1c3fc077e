"""Stages that work on stored states, where memory is short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.core.errors import UserError
from ccps.perturbation import Grid, Head, flip_radius, stability_features, stability_features_sweep
from ccps.perturbation.ways import WAYS
from ccps.pipeline.heads import HEAD
from ccps.settings.model import ModelConfig
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.run import TrainerConfig, spread_faults
from ccps.stages.main import extract
from ccps.stages.main.extract import ExtractStage
from ccps.stages.main.from_states import FromStatesStage
from ccps.stages.sweep import extract as sweep_extract
from ccps.stages.sweep.extract import FlipStage, SweepExtractStage

VOCABULARY, WIDTH = 100, 8
POINTS = [Grid(5.0, 3), Grid(1.0, 1)]
LENGTHS = [4, 1, 15]  # tokens of each answer


def make(kind: str, folder: Path, scratch: int = 256) -> FromStatesStage:
    answers, head = Artifact.at(folder, "answer", {}), Artifact.at(folder, "head", {})
    if kind == "extract":
        return ExtractStage(answers, head, "b", PerturbationConfig(5.0, 3, scratch))
    if kind == "sweep":
        return SweepExtractStage(answers, head, "b", POINTS, "gradient", scratch)
    return FlipStage(answers, head, "b", "gradient", scratch)


@pytest.fixture(params=["extract", "sweep", "flip"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> FromStatesStage:
    """A stage over one shard of three answers, ten tokens of logits at a time."""
    made = make(request.param, tmp_path)
    draw = torch.Generator().manual_seed(0)
    made.layer = Head(torch.randn(VOCABULARY, WIDTH, generator=draw))
    ids = [list(range(10 * i, 10 * i + n)) for i, n in enumerate(LENGTHS)]
    with made.answers.writing():
        with made.answers.shard(0) as folder:
            table = pa.table({"question_id": [f"q{i}" for i in range(len(ids))], "answer_ids": ids})
            pq.write_table(table, folder / ROWS)
            save_file({"states": torch.randn(sum(LENGTHS), WIDTH, generator=draw)}, folder / TENSORS)
        made.answers.add_cost(0, seconds=0.0, peak_memory=0, n=3)
        made.answers.finish(1, {})
    made.scratch = 10 * 8 * VOCABULARY
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Give the machine so much room; returns the list of block sizes that will have been asked for."""

    def with_room(room: int) -> list[int]:
        sizes: list[int] = []

        def short(function: Any) -> Callable[..., Any]:
            def limited(*arguments: Any, max_scratch_bytes: Any, **options: Any) -> Any:
                sizes.append(max_scratch_bytes)
                if max_scratch_bytes > room:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate too much.")
                return function(*arguments, max_scratch_bytes=max_scratch_bytes, **options)

            return limited

        monkeypatch.setattr(extract, "stability_features", short(stability_features))
        monkeypatch.setattr(sweep_extract, "stability_features_sweep", short(stability_features_sweep))
        monkeypatch.setattr(sweep_extract, "flip_radius", short(flip_radius))
        return sizes

    return with_room


def values(output: Any) -> torch.Tensor:
    """The numbers of a step's output."""
    if isinstance(output, tuple):
        features: torch.Tensor = output[1]
        return features
    columns = [name for name in output.column_names if name not in ("question_id", "token_index", "token_id")]
    return torch.stack([torch.tensor(output[name].to_pylist()) for name in columns])


def test_blocks_that_do_not_fit_are_halved_and_stay_so(
    stage: FromStatesStage, asked: Callable[[int], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = values(stage.step([0]))
    sizes = asked(3000)
    torch.testing.assert_close(values(stage.step([0])), wanted, rtol=1e-4, atol=1e-4)
    assert sizes == [8000, 4000, 2000]
    stage.step([0])
    assert sizes[3:] == [2000]
    assert capsys.readouterr().out.count("did not fit and are halved") == 2


def test_too_little_memory_for_one_token_is_refused(stage: FromStatesStage, asked: Callable[[int], list[int]]) -> None:
    sizes = asked(0)
    with pytest.raises(UserError, match="logits of one token"):
        stage.step([0])
    assert sizes == [8000, 4000, 2000, 1000]


def test_smaller_blocks_on_the_way_leave_the_key_as_it_is(
    stage: FromStatesStage, asked: Callable[[int], list[int]]
) -> None:
    before = dict(stage.inputs())
    asked(3000)
    stage.step([0])
    assert dict(stage.inputs()) == before


def test_tokens_are_those_of_the_answers_in_order(stage: FromStatesStage) -> None:
    tokens = stage.tokens([0])
    assert tokens.question_ids == ["q0"] * 4 + ["q1"] + ["q2"] * 15
    assert tokens.positions == [0, 1, 2, 3, 0, *range(15)]
    assert tokens.token_ids.tolist() == [0, 1, 2, 3, 10, *range(20, 35)]
    assert tokens.states.shape == (20, WIDTH)


@pytest.mark.parametrize("kind", ["extract", "sweep", "flip"])
def test_only_another_block_size_than_the_usual_has_another_key(tmp_path: Path, kind: str) -> None:
    assert make(kind, tmp_path).inputs() == make(kind, tmp_path, 256).inputs()
    assert make(kind, tmp_path).inputs() != make(kind, tmp_path, 64).inputs()


def test_a_spread_model_and_several_processes_exclude_each_other() -> None:
    models = {"x": ModelConfig("hub", "a/b", device_map="auto")}
    assert len(list(spread_faults(models, TrainerConfig(devices=2)))) == 1
    assert not list(spread_faults(models, TrainerConfig(devices=1)))


def test_a_head_that_is_multiplied_as_it_is_has_a_key_of_its_own(tmp_path: Path) -> None:
    answers, head = Artifact.at(tmp_path, "answer", {}), Artifact.at(tmp_path, "head", {})
    with head.writing():
        with head.shard(0) as folder:
            Head(torch.ones(VOCABULARY, WIDTH).bfloat16()).save(folder / HEAD)
        head.add_cost(0, seconds=0.0, peak_memory=0, n=1)
        head.finish(1, {})
    stages = {way: ExtractStage(answers, head, "b", PerturbationConfig(5.0, 3), way=way) for way in WAYS}
    plain = ExtractStage(answers, head, "b", PerturbationConfig(5.0, 3)).inputs()
    inputs = {way: stage.inputs() for way, stage in stages.items()}
    assert inputs == {"float32": plain, "split": {**plain, "way": "split"}}
    assert "way" not in plain  # so that what was made before is found
    for stage in stages.values():
        stage.prepare(torch.device("cpu"))
    dtypes = {way: stage.layer.weight.dtype for way, stage in stages.items()}
    assert dtypes == {"float32": torch.float32, "split": torch.bfloat16}
