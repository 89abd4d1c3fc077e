import pandas as pd

from ccps.analysis.cost_front import front


def test_front_joins_the_methods_that_none_beats() -> None:
    points = pd.DataFrame({"seconds": [1.0, 2.0, 3.0, 3.0], "auroc": [0.6, 0.5, 0.8, 0.7]})
    assert front(points, "auroc").to_numpy().tolist() == [[1.0, 0.6], [3.0, 0.8]]
    assert front(points.rename(columns={"auroc": "ece"}), "ece").to_numpy().tolist() == [[1.0, 0.6], [2.0, 0.5]]
