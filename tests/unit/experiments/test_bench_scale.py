from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ccps.core.console import console
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, find_model
from ccps.pipeline.model import SharedModel
from ccps.settings.perturbation import PerturbationConfig
from experiments.benchmarks.curve import draw
from experiments.benchmarks.scale import (
    FACTORS,
    Curve,
    alike,
    measure_scale,
    missing,
    repeated,
    scale_figures,
    straight_line,
)

COUNTS = [57, 228, 912]
MIB = 2.0**20


def curve(seconds: Any, above: Any) -> Curve:
    return Curve(COUNTS, seconds, [[value * MIB for value in values] for values in above])


def figures_of(found: Any) -> dict[tuple[Any, Any], Any]:
    return {(figure.what, figure.subject): figure for figure in scale_figures("m", found)}


class TestLine:
    def test_points_on_a_line_give_it_back(self) -> None:
        line = straight_line([1, 4, 16], [5.0, 11.0, 35.0])
        assert (line.fixed, line.each, line.off) == pytest.approx((3, 2, 0), abs=1e-9)

    def test_a_square_is_far_from_any_line(self) -> None:
        assert straight_line([1, 4, 16], [1.0, 16.0, 256.0]).off > 0.3


class TestGrowth:
    def test_time_for_a_question_and_memory_are_compared_within_each_repetition(self) -> None:
        # Twice as slow in the second repetition: 1.0 s for 57, 14.4 s for 912 is 0.9 of the time for each.
        seconds = [[1.0, 2.0], [3.8, 7.6], [14.4, 28.8]]
        figures = figures_of(curve(seconds, [[100, 200], [100, 200], [104, 208]]))
        time = figures["Time per question, 16 times as many over one", "m"]
        assert (time.low, time.high, time.met) == (pytest.approx(0.9), pytest.approx(0.9), True)
        memory = figures["Peak memory, 16 times as many over one", "m"]
        assert (memory.low, memory.high, memory.met) == (pytest.approx(1.04), pytest.approx(1.04), True)
        assert figures["Peak memory above the model", "m, 912 questions"].value == 156

    def test_growth_beyond_five_per_cent_misses_the_target(self) -> None:
        figures = figures_of(curve([[1.0], [4.4], [17.6]], [[100], [101], [106]]))
        assert figures["Time per question, 16 times as many over one", "m"].met is False
        assert figures["Peak memory, 16 times as many over one", "m"].met is False

    def test_memory_that_the_system_does_not_tell_is_not_measured(self) -> None:
        figures = figures_of(Curve(COUNTS, [[1.0], [4.0], [16.0]], [[], [], []]))
        memory = figures["Peak memory, 16 times as many over one", "m"]
        assert (memory.value, memory.target.bound) == (None, 1.05)

    def test_what_is_missing_is_named_as_it_would_be_measured(self) -> None:
        present = figures_of(curve([[1.0], [4.0], [16.0]], [[1], [1], [1]]))
        for figure in missing("m", "why"):
            assert present[figure.what, "m"].target == figure.target


def question(index: Any) -> Question:
    return Question(f"q/{index}", "s", f"Which word is number {index}?", ("x", "y"), ("a",), "test", "q")


class TestMeasuring:
    def test_questions_of_like_length_are_chosen_in_their_order(self, tiny_model: Callable[..., LanguageModel]) -> None:
        words = [1, 9, 5, 3, 30, 5, 6, 2, 5, 12]  # median 5
        questions = [replace(question(i), text="word " * n) for i, n in enumerate(words)]
        assert [one.text.count("word") for one in alike(tiny_model("llama"), questions, 4)] == [5, 5, 6, 5]

    def test_questions_are_repeated_under_names_of_their_own(self) -> None:
        many = repeated([question(0), question(1)], 3)
        assert len({one.id for one in many}) == 6
        assert {one.text for one in many} == {question(0).text, question(1).text}

    def test_both_stages_run_on_every_number_of_questions(
        self, tiny_config: Callable[..., ModelConfig], capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = SharedModel(find_model("tiny", tiny_config("llama")))
        questions = [question(index) for index in range(2)]
        found = measure_scale(model, questions, PerturbationConfig(), 256, 1, torch.device("cpu"))
        assert found.questions == [2 * factor for factor in FACTORS]
        assert all(len(seconds) == 1 and seconds[0] > 0 for seconds in found.seconds)
        assert [len(above) for above in found.above] in ([1, 1, 1], [0, 0, 0])
        assert not console.quiet
        assert "answer" not in capsys.readouterr().out

    @pytest.mark.parametrize("above", [[[100, 90], [101, 99], [102, 103]], [[], [], []]])
    def test_the_curve_is_drawn_the_same_each_time(self, tmp_path: Path, above: list[Any]) -> None:
        drawn = curve([[1.0, 1.1], [4.0, 4.2], [16.0, 16.1]], above)
        first, second = (draw(drawn, tmp_path / name / "scale.png") for name in "ab")
        assert first.read_bytes() == second.read_bytes()
        with Image.open(first) as image:
            assert image.size[0] > 900
