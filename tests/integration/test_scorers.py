"""Whatever can be taken along says of the test questions what the table says."""

import pandas as pd
import pytest
from tiny import Tiny

from ccps import ConfidenceScorer
from ccps.data.records import Question
from ccps.methods.stored_scorer import StoredScorer
from ccps.stages.main.checks import to_config
from ccps.stages.main.questions import all_questions

PORTABLE = {"ccps", "p_ik", "saplma_m", "p_true", "lts", "answer_probability", "entropy"}


def of_test(tiny: Tiny, label: str) -> list[Question]:
    return list(all_questions(to_config(tiny.settings()), judged=True).by_label[label])


def scored(tiny: Tiny, method: str) -> pd.DataFrame:
    """The rows of a method's score artifact of the first seed, by question."""
    (table,) = [
        pd.read_parquet(path / "00000" / "rows.parquet")
        for path in sorted((tiny.artifacts / "score").iterdir())
        if f'"{method}"' in (path / "inputs.json").read_text()
    ]
    first = table[table["seed"].isna() | (table["seed"] == table["seed"].min())]
    return first.set_index("question_id")


def test_every_method_that_reads_one_pass_is_written(finished: Tiny) -> None:
    folder = finished.output / "scorers" / "tiny_random" / "mc"
    assert {path.name for path in folder.iterdir() if path.is_dir()} >= PORTABLE
    assert not (folder / "self_consistency").exists()
    assert not (folder / "ccps_shuffled").exists()
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert StoredScorer.load(folder).settings == StoredScorer.load(folder / "ccps").settings


@pytest.mark.parametrize("method", sorted(PORTABLE))
def test_a_loaded_scorer_says_what_the_table_says(finished: Tiny, method: str) -> None:
    scorer = ConfidenceScorer.load(finished.output / "scorers" / "tiny_random" / "mc" / method, "cpu")
    rows = scored(finished, method)
    found = scorer.score(of_test(finished, "boats"))
    assert len(found) == len(rows) == 18
    for one in found:
        assert one.p_correct == pytest.approx(rows.loc[one.question_id, "p_correct"], abs=1e-6)
