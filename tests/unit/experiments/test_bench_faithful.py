"""The two parts on reasoning traces: going on from their steps, and scoring them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from measured import bound, value

from ccps.data.records import Question
from ccps.faithful import misalignment, segment
from ccps.llm import LanguageModel
from experiments.benchmarks import faithful_scoring, fork, turns


@pytest.fixture
def questions() -> list[Question]:
    return [Question(str(i), "s", f"Which word is number {i}?", (), ("x",), "test", "s") for i in range(9)]


class TestFork:
    size = fork.QUICK

    def test_a_trace_is_made_of_paragraphs_of_one_length(
        self, tiny_model: Callable[..., LanguageModel], questions: list[Question]
    ) -> None:
        lm = tiny_model("llama")
        task = fork.make_task(lm, questions, self.size)
        prompt = task.prefixes[0]
        assert [len(prefix) - len(prompt) for prefix in task.prefixes] == [0, 20, 40, 60]
        assert all(longer[: len(prefix)] == prefix for prefix, longer in zip(task.prefixes, task.prefixes[1:]))  # noqa: B905
        text = lm.tokenizer.decode(task.prefixes[-1][len(prompt) :])
        assert [len(step.text) for step in segment(text)] == [18, 18, 17]  # the last begins with a space
        assert task.numbers.shape == (4, 2, 12)
        assert (task.separate, task.released) == ([1, 3], [2])

    def test_both_ways_draw_the_same_in_float32(
        self, tiny_model: Callable[..., LanguageModel], questions: list[Question]
    ) -> None:
        figures = {figure.what: figure for figure in fork.measure_fork(tiny_model("llama"), questions, 2, self.size)}
        assert figures["Continuations that are the same in both ways"].value == 100
        assert value(figures["Tokens of the longest"]) <= 12
        ratio = figures["One reading of the trace, times the speed of one for each step"]
        assert (bound(ratio), ratio.subject) == (3, "tiny-llama, float32")
        each = value(figures["One reading for each step"])
        assert ratio.value == pytest.approx(each / value(figures["One reading of the trace"]))
        parts: Any = [figures[f"Of that, {part}"].value for part in ("reading", "drawing")]
        assert sum(parts) == pytest.approx(each)

    def test_what_is_done_for_some_steps_is_counted_for_all(self, tiny_model: Callable[..., LanguageModel]) -> None:
        lm = tiny_model("llama")
        reading = {"each": [1.0], "ours": [0.5]}
        seconds = {"released": [3.0], "each": [4.0], "ours": [2.0]}
        found = {f.what: f.value for f in fork.fork_figures(lm, self.size, reading, seconds, 0.5, [1, 3])}
        assert found["The released procedure"] == 3.0 * 4
        assert (found["One reading for each step"], found["Of that, drawing"]) == (8.0, 6.0)
        assert found["Of it, drawing"] == 1.5
        assert found["One reading of the trace, times the released speed"] == 6.0
        assert found["Continuations that are the same in both ways"] == 50

    def test_the_released_procedure_can_be_left_out(
        self, tiny_model: Callable[..., LanguageModel], questions: list[Question]
    ) -> None:
        size = self.size._replace(released=0)
        names = [figure.what for figure in fork.measure_fork(tiny_model("llama"), questions, 1, size)]
        assert not [name for name in names if "released" in name]

    def test_without_a_model_the_target_is_named_with_the_reason(self) -> None:
        [figure] = fork.missing("m", "it is not there")
        assert (bound(figure), figure.reason) == (3, "it is not there")


class TestTurns:
    @pytest.mark.parametrize("n", [9, 6])  # more questions than texts, and fewer
    def test_both_ways_write_the_same_in_float32(
        self, n: int, tiny_model: Callable[..., LanguageModel], questions: list[Question]
    ) -> None:
        figures = turns.measure_turns(tiny_model("llama"), questions[:n], 2, turns.QUICK)
        found = {figure.what: figure for figure in figures}
        assert found["Texts that are the same in both ways"].value == 100
        assert value(found["Tokens of a text, mean"]) == pytest.approx((3 + 20) / 2, abs=0.5)
        ratio = found["Rows that come and go, times the speed of batches filled once"]
        assert (bound(ratio), ratio.subject) == (1.5, "tiny-llama, float32")
        speeds = [value(found[name]) for name in ("Rows that come and go", "Batches filled once")]
        assert ratio.value == pytest.approx(speeds[0] / speeds[1])

    def test_without_a_model_the_target_is_named_with_the_reason(self) -> None:
        [figure] = turns.missing("m", "it is not there")
        assert (bound(figure), figure.reason) == (1.5, "it is not there")


class TestScoring:
    def test_traces_are_invented_anew_and_alike(self) -> None:
        inventor = faithful_scoring.Inventor(faithful_scoring.QUICK, 8)
        one, again, other = inventor.trace(1), inventor.trace(1), inventor.trace(2)
        assert one.text == again.text != other.text
        assert one.states.shape == (320, 8)
        assert len(segment(one.text)) == 4
        assert misalignment(one.text, one.offsets, 300) == ""
        assert (np.diff(one.top_log_probs) <= 0).all()

    def test_every_part_is_timed_and_they_add_up(self) -> None:
        figures = {figure.what: figure for figure in faithful_scoring.measure_scoring(8, faithful_scoring.QUICK)}
        parts: Any = [figure.value for what, figure in figures.items() if what.startswith("Of that, ")]
        assert len(parts) == 7
        assert min(parts) > 0
        assert figures["Scoring"].value == pytest.approx(sum(parts))
        assert bound(figures["Scoring"]) == 60

    def test_memory_is_compared_or_said_to_be_unknown(self) -> None:
        known = faithful_scoring.scoring_figures("x", {"RCC": 1.0}, [2.0**20, 3 * 2.0**20])
        assert (known[-2].value, known[-1].value, known[-1].met) == (3.0, 3.0, False)
        unknown = faithful_scoring.scoring_figures("x", {"RCC": 1.0}, [])[-1]
        assert unknown.value is None
        assert "peak" in unknown.reason
