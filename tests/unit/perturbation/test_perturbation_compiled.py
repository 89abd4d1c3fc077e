"""How the path is chosen, with paths and clocks that are made up; and the compiled path itself, on the CPU."""

import shutil
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._inductor.runtime.cache_dir_utils import cache_dir

from ccps.perturbation import compiled, features, ray, stability_features
from ccps.perturbation.reductions import follow_exactly, reduce_path

CPU = torch.device("cpu")
RADII = [1.0, 2.5, 20.0]
needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") and (Path(sysconfig.get_path("include")) / "Python.h").exists()),
    reason="needs g++ and the headers of Python",
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def case(seed: int, tokens: int = 5, vocab: int = 700, width: int = 9) -> tuple[Any, Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    weight, hidden = torch.randn(vocab, width, generator=generator), 2 * torch.randn(tokens, width, generator=generator)
    return hidden, weight, (hidden @ weight.T).argmax(1)


def off_by(error: float) -> Callable[..., Any]:
    """A path whose divergence is a little wrong."""

    def follow(tile: Any, argmax: Any, radii: Any) -> Any:
        path = follow_exactly(tile, argmax, radii)
        return path._replace(divergence=path.divergence + error)

    return follow


def fails(error: Exception) -> Callable[..., Any]:
    def follow(tile: Any, argmax: Any, radii: Any) -> None:
        raise error

    return follow


def clock(**seconds: float) -> Callable[..., Any]:
    return lambda follow: seconds["plain" if follow is follow_exactly else "compiled"]


@pytest.mark.parametrize(("plain", "other", "wins"), [(2.0, 1.0, True), (1.0, 2.0, False), (1.0, 1.0, False)])
def test_the_faster_path_is_taken(plain: float, other: float, wins: bool) -> None:
    same = off_by(1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compiled.faster(follow_exactly, same, ray(*case(0)), RADII, clock(plain=plain, compiled=other))
    assert found is (same if wins else follow_exactly)


@pytest.mark.parametrize("error", [1e-3, float("nan"), float("inf")])
def test_a_path_that_says_something_else_is_not_taken_however_fast(error: float) -> None:
    with pytest.warns(UserWarning, match=r"Expected the compiled features to equal the plain ones within 1e-05, but"):
        found = compiled.faster(follow_exactly, off_by(error), ray(*case(0)), RADII, clock(plain=2.0, compiled=1.0))
    assert found is follow_exactly


def test_another_argmax_is_something_else() -> None:
    def follow(tile: Any, argmax: Any, radii: Any) -> Any:
        path = follow_exactly(tile, argmax, radii)
        return path._replace(changed=~path.changed)

    with pytest.warns(UserWarning, match="got a difference of"):
        assert compiled.faster(follow_exactly, follow, ray(*case(0)), RADII) is follow_exactly


def test_without_a_compiler_the_plain_path_is_taken_and_the_reason_said() -> None:
    without = fails(RuntimeError("\nNo compiler here\nlong story\nits end"))
    with pytest.warns(UserWarning, match=r"computed without a compiler, which is slower: No compiler here$"):
        found = compiled.faster(follow_exactly, without, ray(*case(0)), RADII)
    assert found is follow_exactly


def test_memory_that_does_not_suffice_is_not_taken_for_a_missing_compiler() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        compiled.faster(follow_exactly, fails(torch.OutOfMemoryError("full")), ray(*case(0)), RADII)


def test_the_default_clock_tells_a_slow_path_from_a_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slow(tile: Any, argmax: Any, radii: Any) -> Any:
        now[0] += 0.05
        return follow_exactly(tile, argmax, radii)

    traced = ray(*case(0))
    assert compiled.faster(follow_exactly, slow, traced, RADII) is follow_exactly
    assert compiled.faster(slow, follow_exactly, traced, RADII) is follow_exactly


@pytest.fixture
def fresh_choice() -> Iterator[None]:
    compiled.fastest_follow.cache_clear()
    yield
    compiled.fastest_follow.cache_clear()


@pytest.mark.usefixtures("fresh_choice")
def test_the_cpu_keeps_to_the_plain_path_untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "faster", fails(AssertionError("tried")))
    plain = off_by(0.0)
    assert compiled.fastest_follow(CPU, 700, 5, plain) is plain


@pytest.mark.usefixtures("fresh_choice")
def test_elsewhere_it_is_measured_once_for_each_device_vocabulary_and_number_of_radii(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = []

    def faster(plain: Any, other: Any, traced: Any, radii: Any) -> Any:
        measured.append((traced.logits.shape[1], len(radii)))
        return other

    monkeypatch.setattr(compiled, "faster", faster)
    invented = []

    def invent(device: torch.device, vocab: int) -> Any:
        invented.append(device)
        return ray(*case(0, vocab=vocab))

    monkeypatch.setattr(compiled, "_invented_ray", invent)
    one, two = torch.device("cuda", 0), torch.device("cuda", 1)
    for device, vocab, radii in ((one, 700, 5), (one, 700, 5), (two, 700, 5), (one, 800, 5), (one, 700, 3)) * 2:
        assert compiled.fastest_follow(device, vocab, radii) is compiled.follow_compiled
    assert measured == [(700, 5), (700, 5), (800, 5), (700, 3)]
    assert invented == [one, two, one, one]


def test_the_invented_ray_fills_a_tile_and_is_the_same_each_time() -> None:
    traced = compiled._invented_ray(CPU, 3000)
    assert traced.logits.shape == traced.slope.shape == (2**20 * torch.get_num_threads() // 12_000, 3000)
    assert torch.equal(traced.slope, compiled._invented_ray(CPU, 3000).slope)
    assert reduce_path(traced, [20.0], follow_exactly).path.changed.any()


@pytest.mark.parametrize("radii", [1, 4, 5, 6, 7, 12])
def test_what_is_compiled_says_the_same_uncompiled(monkeypatch: pytest.MonkeyPatch, radii: int) -> None:
    """Any number of radii is cut into equal parts, of which the last may be filled up."""
    asked = []
    monkeypatch.setattr(
        compiled,
        "_compiled",
        lambda: lambda *given: asked.append(len(given[3])) or compiled._reduce(*given),  # type: ignore[func-returns-value]
    )
    traced, lengths = ray(*case(1)), torch.linspace(0.5, 20, radii).tolist()
    found = reduce_path(traced, lengths, compiled.follow_compiled).path
    assert compiled._difference(found, reduce_path(traced, lengths, follow_exactly).path) <= 5e-6
    assert len(set(asked)) == 1
    assert radii <= sum(asked) < radii + len(asked)
    assert max(asked) <= 5


@pytest.fixture
def code_of_this_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is compiled apart by the instruction set that torch has been told to use.

    The compiler's cache on disk has no such part in its key. Under `ATEN_CPU_CAPABILITY=avx2` it would hand out code
    that steps over 16 numbers at a time, made earlier for AVX-512, and build it with registers of 8.
    """
    apart = f"{cache_dir()}_{torch.backends.cpu.get_cpu_capability().replace(' ', '')}"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", apart)


@needs_compiler
@pytest.mark.usefixtures("code_of_this_capability")
def test_compiled_features_equal_the_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of two heights share what is compiled."""
    monkeypatch.setattr("ccps.perturbation.tiles._CACHE_BYTES", 3 * 4 * 700 // torch.get_num_threads())
    hidden, weight, ids = case(2, tokens=8)
    used = []

    def fused(tile: Any, argmax: Any, radii: Any) -> Any:
        used.append(len(tile.probs))
        return compiled.follow_compiled(tile, argmax, radii)

    plain = stability_features(hidden, weight, ids, 20.0, 2)
    monkeypatch.setattr(features, "fastest_follow", lambda *_: fused)
    found = stability_features(hidden, weight, ids, 20.0, 2)
    torch.testing.assert_close(found, plain, rtol=2e-5, atol=2e-5)
    assert used == [3, 3, 2]


@needs_gpu
def test_features_on_a_gpu_equal_those_on_the_cpu() -> None:
    inputs = case(3, tokens=300, vocab=50_000)
    found = stability_features(*(x.cuda() for x in inputs)).cpu()
    torch.testing.assert_close(found, stability_features(*inputs), rtol=1e-3, atol=1e-3)
