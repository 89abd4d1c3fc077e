from collections.abc import Callable
from typing import Any

import pytest
import torch

from ccps.llm import LanguageModel
from ccps.perturbation import stability_features
from ccps.settings.perturbation import PerturbationConfig
from experiments.benchmarks import floors
from experiments.benchmarks.floors import (
    copies,
    feature_bytes,
    feature_operations,
    forward_operations,
    matrix_products,
)
from experiments.benchmarks.memory import peak, settle
from experiments.benchmarks.size_figures import (
    CPU_TARGETS,
    GPU_TARGETS,
    LONG,
    SHORT,
    Measured,
    Targets,
    missing,
    size_figures,
    targets_of,
)
from experiments.benchmarks.sizes import Batch, measure_size, random_passages

CPU = torch.device("cpu")


@pytest.fixture
def small_yardsticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "_SIDE", {"cpu": 16})
    monkeypatch.setattr(floors, "_COPIED", {"cpu": 2**12})


class TestFloors:
    def test_three_products_of_two_operations_each(self) -> None:
        # Llama-3.1-8B: 3.15 Gflop for each token.
        assert feature_operations(1, 128_256, 4096) == 3_152_019_456
        assert feature_operations(10, 128_256, 4096) == 10 * 3_152_019_456

    def test_bytes_are_three_heads_and_two_rays_written_and_read(self) -> None:
        head, ray = 4 * 100 * 8, 4 * 100
        assert feature_bytes(1, 100, 8) == 3 * head + 4 * ray
        assert feature_bytes(5, 100, 8) == 3 * head + 5 * 4 * ray

    def test_a_forward_pass_is_two_operations_for_each_weight_of_the_layers(
        self, tiny_model: Callable[..., LanguageModel]
    ) -> None:
        attention, perceptron, norms = 32 * 32 + 2 * 32 * 16 + 32 * 32, 3 * 32 * 64, 2 * 32
        weights = 2 * (attention + perceptron + norms) + 32
        assert forward_operations(tiny_model("llama"), 7) == 2 * 7 * weights

    @pytest.mark.usefixtures("small_yardsticks")
    def test_yardsticks_know_what_they_do(self) -> None:
        assert matrix_products(CPU, torch.bfloat16).amount == 2 * 16**3
        assert copies(CPU).amount == 2 * 2**12
        for yardstick in (matrix_products(CPU, torch.float32), copies(CPU)):
            yardstick.work()


class TestMemory:
    def test_the_peak_is_that_of_the_work_and_is_forgotten_afterwards(self) -> None:
        held = settle(CPU)
        if held is None:
            pytest.skip("this system does not let a process forget its peak")
        size = 2**27
        for _ in range(2):
            torch.ones(size, dtype=torch.uint8)
        assert 0.95 * size < peak(CPU) - held < 1.5 * size  # one at a time; the system counts by some pages
        settle(CPU)
        assert peak(CPU) - held < size / 2


def measured(**changes: Any) -> Measured:
    seconds = {
        f"bare {SHORT}": [0.016, 0.032],
        SHORT: [0.02, 0.04],
        f"bare {LONG}": [0.08, 0.16],
        LONG: [0.1, 0.2],
        "paper": [1.0, 2.0],
        "features": [0.0036, 0.0072],
        "sweep": [0.0072, 0.0144],
        "products": [0.5, 1.0],
        "own products": [0.25, 0.5],
        "copies": [1.0, 1.0],
    }
    given: dict[str, Any] = {
        "name": "m",
        "device": "cpu",
        "parameters": 2_000_000_000,
        "vocabulary": 1000,
        "width": 10,
        "answers": 2,
        # With 6·tokens·10,000 operations of the features: 2e7 and 1e8.
        "forward_operations": {SHORT: 2e7 - 1.2e5, LONG: 1e8 - 3.6e6},
        "amounts": {"products": 1e9, "own products": 1e9, "copies": 1.08e9},
        "seconds": seconds,
        "held": 2 * 2**30,
        "most": 3 * 2**30,
    }
    return Measured(**given | changes)


def figures_of(**changes: Any) -> dict[Any, Any]:
    return {figure.what: figure for figure in size_figures(measured(**changes))}


class TestSizeFigures:
    """A machine that halves its speed after the first repetition changes no ratio."""

    def test_extraction_is_held_against_the_bare_forward_pass(self) -> None:
        figures = figures_of()
        assert figures[f"Bare forward, {SHORT}"].value == pytest.approx(12)  # ms of each of two answers
        for kind, is_met in ((SHORT, False), (LONG, True)):
            added = figures[f"Extraction adds, {kind}"]
            assert (added.value, added.low, added.high) == pytest.approx((25, 25, 25))
            assert added.met is is_met

    def test_the_papers_procedure_has_the_same_answers(self) -> None:
        assert figures_of()["Forward + extraction, times the paper's speed"].value == pytest.approx(50)

    def test_share_of_the_peak(self) -> None:
        # 1e9 operations a second at first, of 4e9; then half of both.
        share = figures_of()[f"Share of the peak, forward + extraction, {SHORT}"]
        assert (share.low, share.high, share.target) == (pytest.approx(25), pytest.approx(25), None)
        on_gpu = figures_of(device="cuda", parameters=8_000_000_000)[f"Share of the peak, forward + extraction, {LONG}"]
        assert (on_gpu.value, on_gpu.met) == (pytest.approx(25), False)

    def test_features_are_held_against_the_larger_floor(self) -> None:
        # Products: 3.6e6 of 2e9 a second, later of 1e9. Bytes: 4·(3·10⁴ + 4·60·10³) = 1.08e6 of 1.08e9 a second.
        figures = figures_of()
        products, moved = figures["Floor of the features, matrix products"], figures["Floor of the features, bytes"]
        assert (products.low * 60, products.high * 60) == (pytest.approx(1.8), pytest.approx(3.6))
        assert moved.value * 60 == pytest.approx(1.0)
        over = figures["Features over the larger floor"]
        assert (over.low, over.high) == (pytest.approx(2), pytest.approx(2))
        slow = figures_of(amounts={"products": 1e9, "own products": 1e9, "copies": 1.08e8})
        assert slow["Features over the larger floor"].value == pytest.approx((0.36 + 0.72) / 2)

    def test_memory_above_the_model_and_on_a_gpu_altogether(self) -> None:
        figures = figures_of()
        above = figures["Peak memory above the model"]
        assert (above.value, above.unit) == (1024, "MiB")
        assert "Peak memory, the model with it" not in figures
        on_gpu = figures_of(device="cuda", parameters=32_000_000_000, most=142_000_000_000)
        card = on_gpu["Peak memory, the model with it"]
        assert (card.value, card.met) == (142, False)

    def test_memory_that_the_system_does_not_tell_is_not_measured(self) -> None:
        memory = figures_of(held=None, most=None)["Peak memory above the model"]
        assert memory.value is None
        assert "peak" in memory.reason

    def test_targets_are_for_large_models(self) -> None:
        assert targets_of("cpu", 999_999_999) == targets_of("cuda", 1_500_000_000) == Targets()
        assert targets_of("cpu", 1_500_000_000) == CPU_TARGETS
        assert targets_of("cuda", 8_000_000_000) == GPU_TARGETS

    def test_what_is_missing_is_named_as_it_would_be_measured(self) -> None:
        on_gpu = missing("m", "no GPU", GPU_TARGETS)
        present = figures_of(device="cuda", parameters=8_000_000_000)
        assert {figure.what for figure in on_gpu} <= set(present)
        assert all(figure.target == present[figure.what].target is not None for figure in on_gpu)
        assert [figure.target for figure in missing("m", "why", Targets())] == [None]


class TestMeasuring:
    def test_ways_get_the_same_tokens(self, tiny_model: Callable[..., LanguageModel]) -> None:
        lm = tiny_model("llama")
        batch = Batch(lm, random_passages(lm, 3, 7, 4), PerturbationConfig())
        assert [len(passage.read) for passage in batch.passages] == [10] * 3
        assert batch.tokens.tolist() == [token for passage in batch.passages for token in passage.answer]
        states = batch.states()
        expected = stability_features(states, lm.head.weight, batch.tokens)
        assert torch.equal(batch.features(states, lm.head), expected)
        assert batch.sweep(states, lm.head).shape == (20, 12, 75)

    @pytest.mark.usefixtures("small_yardsticks")
    def test_a_toy_gets_all_figures(self, tiny_model: Callable[..., LanguageModel]) -> None:
        figures = measure_size(tiny_model("llama"), PerturbationConfig(), repetitions=1, rows=2)
        assert {figure.what for figure in figures} == set(figures_of())
        assert all(figure.value is not None or "peak" in figure.reason for figure in figures)
        assert all(figure.target is None for figure in figures)
