from pathlib import Path
from typing import Any

import pytest
from squares import Squares, run

from ccps.pipeline import computing
from ccps.pipeline.computing import run_stage
from ccps.pipeline.progress import StageProgress


def test_progress_counts_what_earlier_runs_have_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError):
        run_stage(Squares(fails_at=5), run(tmp_path))
    bars = []

    class Watched(StageProgress):
        def __init__(self, *arguments: str) -> None:
            super().__init__(*arguments)
            self.counts: list[int] = []
            bars.append(self)

        def on_predict_start(self, *arguments: Any) -> None:
            super().on_predict_start(*arguments)
            self.counts.append(self.done)

        def on_predict_batch_end(self, *arguments: Any, **named: Any) -> None:
            super().on_predict_batch_end(*arguments, **named)
            self.counts.append(self.done)

    monkeypatch.setattr(computing, "StageProgress", Watched)
    run_stage(Squares(), run(tmp_path))
    assert bars[0].total == 8
    assert bars[0].counts == [3, 5, 6, 8]
    assert bars[0].unit == "numbers"


def test_a_long_stage_says_how_far_it_is_in_a_log_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ccps.pipeline.progress._SECONDS_BETWEEN_LINES", 0)
    run_stage(Squares(), run(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("squares   below 8 [bold] · 2/8 numbers, ")
    assert lines[0].endswith(" left")
    assert [line.split(" · ")[1].split(" ")[0] for line in lines[:-1]] == ["2/8", "3/8", "5/8", "6/8"]
