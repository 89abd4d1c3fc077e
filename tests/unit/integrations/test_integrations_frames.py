import math
from pathlib import Path

import pandas as pd
import pytest

from ccps.core.errors import UserError
from ccps.integrations.frames import as_arrow, as_dataset, as_pandas, table_names
from ccps.scorer import Confidence

SAID = [Confidence("a", "b", 0.75), Confidence("b", "", math.nan, "Stack", is_cut=True)]
RESULTS = "model,seed,metric,value,n\nm,23,ece,0.1,570\nm,all,auroc,,570\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "results.csv").write_text(RESULTS)
    (tmp_path / "tables" / "choice.csv").write_text("method,chosen\nccps,True\n")
    return tmp_path


def test_records_keep_their_types_and_what_is_missing() -> None:
    table = as_arrow(SAID)
    assert [str(kind) for kind in table.schema.types] == ["string", "string", "double", "string", "bool", "bool"]
    assert table.to_pylist()[1] == {
        "question_id": "b",
        "answer": "",
        "p_correct": None,
        "source": "Stack",
        "is_cut": True,
        "is_truncated": False,
    }


def test_pandas_and_datasets_hold_the_same() -> None:
    frame = as_pandas(SAID)
    assert frame["p_correct"].isna().tolist() == [False, True]
    dataset = as_dataset(SAID)
    assert dataset.column_names == list(frame.columns)
    assert dataset[0]["p_correct"] == 0.75
    assert dataset[1]["p_correct"] is None


def test_tables_of_an_experiment_are_read_by_name(folder: Path) -> None:
    assert table_names(folder) == ["choice", "results"]
    frame = as_pandas(folder)
    pd.testing.assert_frame_equal(frame, pd.read_csv(folder / "tables" / "results.csv"), check_dtype=False)
    assert as_arrow(folder)["value"].to_pylist() == [0.1, None]
    assert as_dataset(str(folder), "choice")[0] == {"method": "ccps", "chosen": True}


def test_what_is_not_there_is_refused_with_what_is(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"costs.csv to be one of choice, results, but got nothing there"):
        as_arrow(folder, "costs")
    with pytest.raises(UserError, match="the folder of an experiment that has ended"):
        as_arrow(tmp_path / "none")


def test_records_must_be_of_one_kind() -> None:
    with pytest.raises(UserError, match="records of one kind, at least one, but got none"):
        as_arrow([])
    with pytest.raises(UserError, match="but got Confidence, dict"):
        as_arrow([SAID[0], {"p_correct": 0.1}])
