from pathlib import Path

from squares import Squares, run

from ccps.pipeline.stage import in_shards


class Renewed(Squares):
    version = 2


def test_other_inputs_and_other_code_get_another_key(tmp_path: Path) -> None:
    keys = {stage.artifact(run(tmp_path)).key for stage in (Squares(8), Squares(9), Renewed(8))}
    assert len(keys) == 3
    assert Squares(8).artifact(run(tmp_path)).key == Squares(8).artifact(run(tmp_path / "elsewhere")).key


def test_batches_are_gathered_into_shards_of_at_least_so_many_questions() -> None:
    batches = [[0, 1], [2], [3, 4, 5], [6], [7]]
    shards = in_shards(batches, 3)
    assert [[work.content for work in shard] for shard in shards] == [[[0, 1], [2]], [[3, 4, 5]], [[6], [7]]]
    assert all(work.size == len(work.content) for shard in shards for work in shard)
    assert len(in_shards(batches, 1)) == len(batches)
