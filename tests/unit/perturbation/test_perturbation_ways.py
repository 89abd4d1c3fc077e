import pytest
import torch

from ccps.perturbation import Direction, Grid, Head, features, stability_features, stability_features_sweep, ways
from ccps.perturbation.products import CAST, SPLIT, Products
from ccps.perturbation.ways import TABLE, WAYS, chosen_way, products

HIDDEN = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
WEIGHT = torch.randn(20, 8, generator=torch.Generator().manual_seed(1)).bfloat16()
IDS = torch.tensor([1, 2, 3])


@pytest.mark.parametrize(("capability", "way"), [((9, 0), "split"), ((8, 0), "split"), ((7, 5), "float32")])
def test_a_gpu_needs_tensor_cores_for_bfloat16(
    capability: tuple[int, int], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert chosen_way("bfloat16", gpu) == way
    assert {chosen_way(dtype, gpu) for dtype in ("float32", "float16", "float64")} == {"float32"}


def test_a_cpu_casts_every_head() -> None:
    assert {chosen_way(dtype, torch.device("cpu")) for dtype in ("bfloat16", "float32")} == {"float32"}
    assert products(WEIGHT, None) is CAST


def test_no_two_rules_are_for_the_same() -> None:
    assert len({rule[:3] for rule in TABLE}) == len(TABLE)
    assert {rule.way for rule in TABLE} <= set(WAYS)


def test_only_a_head_in_bfloat16_is_multiplied_by_parts() -> None:
    assert products(WEIGHT, "split") is SPLIT
    assert products(WEIGHT, "float32") is CAST
    assert products(WEIGHT.float(), "split") is CAST
    assert products(WEIGHT.half(), "split") is CAST


def test_what_is_not_said_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def look_up(dtype: str, device: torch.device) -> ways.Way:
        asked.append((dtype, device.type))
        return "split"

    monkeypatch.setattr(ways, "chosen_way", look_up)
    assert products(WEIGHT, None) is SPLIT
    assert asked == [("bfloat16", "cpu")]


@pytest.mark.parametrize("way", [None, "float32", "split"])
def test_the_way_that_is_said_is_taken(way: ways.Way | None, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[ways.Way | None] = []

    def record(weight: torch.Tensor, given: ways.Way | None) -> Products:
        taken.append(given)
        return products(weight, given)

    monkeypatch.setattr(features, "products", record)
    stability_features(HIDDEN, WEIGHT, IDS, way=way)
    stability_features_sweep(HIDDEN, WEIGHT, IDS, [Grid()], way=way)
    assert taken == [way, way]


def test_a_way_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected `way` to be one of float32, split or None, but got 'fast'"):
        stability_features_sweep(HIDDEN, WEIGHT, IDS, [Grid()], way="fast")  # type: ignore[arg-type]


@pytest.mark.numeric
@pytest.mark.parametrize("direction", ["gradient", "opposite", "random", "contrast"])
@pytest.mark.parametrize("softcap", [None, 5.0])
def test_ways_agree_for_every_direction_and_under_a_cap(direction: Direction, softcap: float | None) -> None:
    head = Head(WEIGHT, torch.linspace(-1, 1, 20), softcap)
    cast, split = (
        stability_features(HIDDEN, head, IDS, 3.0, 4, direction=direction, way=way) for way in ("float32", "split")
    )
    torch.testing.assert_close(split, cast, rtol=1e-5, atol=1e-5)
