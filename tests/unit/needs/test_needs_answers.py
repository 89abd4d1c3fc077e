"""What stands in the artifact of the answer stage, read back for some questions; out of one made by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from ccps.core.artifacts import ROWS, TENSORS, Artifact
from ccps.methods import METHODS, TrainedMethod
from ccps.needs.answers import stored_answers
from ccps.needs.base import NEEDS, Source
from ccps.perturbation import Head
from ccps.pipeline.heads import HEAD
from ccps.settings.experiment import STAGES

WIDTH = 2
# Answers of two, no, one and three tokens; every number of a question's states is the number of the question.
ANSWERS = [[("q0", [5, 6]), ("q1", [])], [("q2", [7]), ("q3", [5, 6, 7])]]
ORDER = ["q3", "q0", "q2"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    root = tmp_path_factory.mktemp("needs")
    answers, head = Artifact.at(root, "answer", {}), Artifact.at(root, "head", {})
    with answers.writing():
        for index, shard in enumerate(ANSWERS):
            with answers.shard(index) as folder:
                write_shard(folder, shard)
        answers.finish(len(ANSWERS), {"tokens_to_end_of_turn": 3, "tokens_after_answer": 12})
    with head.writing():
        with head.shard(0) as folder:
            folder.mkdir(parents=True, exist_ok=True)
            Head(torch.eye(8, WIDTH)).save(folder / HEAD)
        head.finish(1, {})
    return Source(answers, head)


def write_shard(folder: Path, shard: list[tuple[str, list[int]]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"question_id": name, "text": "x", "prompt_ids": [1], "answer_ids": tokens} for name, tokens in shard]
    pq.write_table(pa.Table.from_pylist(rows), folder / ROWS)
    filled = [(int(name[1:]), len(tokens)) for name, tokens in shard if tokens]
    tensors = {
        "states": torch.cat([torch.full((length, WIDTH), number) + torch.arange(length)[:, None] / 8
                             for number, length in filled]),
        "layer_states": torch.stack([torch.full((3, WIDTH), number) for number, _ in filled]),
        "self_evaluation": torch.stack([torch.full((2,), -number) for number, _ in filled]),
    }  # fmt: skip
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, folder / TENSORS)


def read(need: str, source: Source) -> Any:
    return NEEDS[need].read(source, ORDER)


def test_prompt_states_are_those_that_predict_the_first_token(source: Source) -> None:
    found = read("prompt_states", source)
    assert found.dtype == "float32"
    assert found.tolist() == [[3, 3], [0, 0], [2, 2]]


def test_answer_states_are_those_of_every_token_with_the_head(source: Source) -> None:
    found = read("answer_states", source)
    assert found.states.dtype == torch.float32
    assert found.states[:, 0].tolist() == [3, 3.125, 3.25, 0, 0.125, 2]
    assert found.token_ids.tolist() == [5, 6, 7, 5, 6, 7]
    assert found.head.weight.tolist() == torch.eye(8, WIDTH).tolist()


def test_what_was_collected_after_answers_goes_with_its_question(source: Source) -> None:
    assert read("layer_states", source).tolist() == [[[number] * WIDTH] * 3 for number in (3, 0, 2)]
    assert read("self_evaluation", source).tolist() == [[-3, -3], [0, 0], [-2, -2]]


def test_empty_answers_are_not_among_the_stored_ones_and_states_may_be_let_go(source: Source) -> None:
    assert [one.question_id for one in stored_answers(source.answers)] == ["q0", "q2", "q3"]
    assert [len(one.states) for one in stored_answers(source.answers, most_states=1)] == [1, 1, 1]
    assert [len(one.states) for one in stored_answers(source.answers, most_states=0)] == [0, 0, 0]


def test_each_is_charged_with_what_must_be_read_for_it(source: Source) -> None:
    shares = {name: need.share_of_follow_up(source.answers) for name, need in NEEDS.items()}
    expected = {"layer_states": 0.25, "pooled_states": 1 / 12, "self_evaluation": 1.0}
    assert {name: share for name, share in shares.items() if share} == expected


def test_every_need_of_a_method_is_there_in_the_order_of_work() -> None:
    for method in METHODS.values():
        assert method.reads(for_training=True) <= set(NEEDS)
        assert method.reads() <= method.reads(for_training=True)
    assert METHODS["litcab"].reads(for_training=True) == {"answer_states", "references"}
    assert isinstance(METHODS["litcab"], TrainedMethod)
    stages = [stage.name for need in NEEDS.values() for stage in need.stages]
    expected = ["options", "option_radius", "permute", "sample", "verbalise", "reference", "tune", "ask_tuned"]
    assert list(dict.fromkeys(stages)) == expected
    assert set(expected) <= set(STAGES)
    collected = {name for name, need in NEEDS.items() if need.is_collected}
    assert collected == {"layer_states", "pooled_states", "self_evaluation"}
    assert {name for name, need in NEEDS.items() if need.is_tuned} == {"instruction_tuned", "calibration_tuned"}
