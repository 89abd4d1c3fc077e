from collections.abc import Callable

import pandas as pd
import pytest

from ccps.analysis.data import ReportData
from ccps.analysis.disagreements import chosen_disagreements

Make = Callable[..., ReportData]
Frame = Callable[..., pd.DataFrame]

RIGHT, WRONG = {"says": "right", "other_says": "wrong"}, {"says": "wrong", "other_says": "right"}


@pytest.mark.parametrize(
    ("n_right", "n_wrong", "limit", "expected"),
    [
        (40, 40, 12, (6, 6)),
        (40, 2, 12, (10, 2)),
        (0, 40, 6, (0, 6)),
        (3, 2, 12, (3, 2)),
        (0, 0, 6, (0, 0)),
    ],
)
def test_directions_are_balanced(
    make_data: Make,
    agreement: Frame,
    disagreements: Frame,
    n_right: int,
    n_wrong: int,
    limit: int,
    expected: tuple[int, int],
) -> None:
    data = make_data(agreement=agreement(), disagreements=disagreements(*[RIGHT] * n_right, *[WRONG] * n_wrong))
    chosen = chosen_disagreements(data, limit)
    says, questions = chosen["says"].tolist(), chosen["question"].tolist()
    assert (says.count("right"), says.count("wrong"), len(says)) == (*expected, sum(expected))
    assert len(set(questions)) == len(questions)
    assert sorted(questions, key=lambda text: int(text.split()[1])) == questions
