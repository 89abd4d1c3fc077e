"""Who is one of several workers, and which shards are whose."""

from collections import Counter
from functools import partial

import pytest

from ccps.core.keys import digest
from ccps.core.settings import SettingsError, typed
from ccps.settings.experiment import Config
from ccps.settings.faithful.run import FaithfulConfig
from ccps.settings.sharing import Worker, worker_of
from ccps.settings.sweep import SweptConfig
from experiments.launch import checked_overrides
from experiments.probe_choice.settings import ProbesChoiceConfig


def refused(*overrides: str, config: str = "config", shape: type = Config) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        checked_overrides(overrides, config, partial(typed, wanted=shape))
    return caught.value.faults


@pytest.mark.parametrize("of", [1, 2, 3, 7, 50])
def test_every_shard_is_one_workers(of: int) -> None:
    workers = [Worker(number, of) for number in range(1, of + 1)]
    for key in map(digest, "abc"):
        owners = [[worker.number for worker in workers if worker.owns(key, shard)] for shard in range(100)]
        assert all(len(own) == 1 for own in owners)
        shares = Counter(own[0] for own in owners).values()
        assert max(shares) - min(shares, default=0) <= 1


def test_artifacts_of_a_single_shard_are_spread() -> None:
    keys = [digest(str(number)) for number in range(4000)]
    shares = Counter(number for key in keys for number in range(1, 5) if Worker(number, 4).owns(key))
    assert shares.total() == 4000
    assert all(850 < share < 1150 for share in shares.values())


@pytest.mark.parametrize(
    ("text", "worker"),
    [("1/1", (1, 1)), ("2/8", (2, 8)), ("008/8", (8, 8)), (None, None), ("0/4", None), ("3/2", None), ("a", None)],
)
def test_a_worker_is_named_by_its_number_among_all(text: str | None, worker: tuple[int, int] | None) -> None:
    assert worker_of(text) == (None if worker is None else Worker(*worker))
    assert worker is None or str(worker_of(text)) == f"{worker[0]}/{worker[1]}"


@pytest.mark.parametrize("text", ["3/2", "0/4", "a", "1", "1/0", "-1/4", "1/4/2", "1.5/4", "1/100001", "1/1234567"])
@pytest.mark.parametrize(
    ("config", "shape"), [("config", Config), ("sweep", SweptConfig), ("faithful", FaithfulConfig)]
)
def test_what_is_no_worker_is_refused_in_one_line(text: str, config: str, shape: type) -> None:
    (line,) = refused(f"worker={text}", config=config, shape=shape)
    assert line.startswith("expected `worker` to be i/n with i from 1 to n, as 2/8")
    assert line.endswith(f"but got '{text}'")
    assert "\n" not in line


def test_a_worker_is_one_process() -> None:
    (line,) = refused("worker=1/2", "trainer.devices=4")
    assert line == (
        "expected `trainer.devices` to be 1, and `trainer.num_nodes` too, with `worker`, but got 4 processes: start a "
        "worker for each device"
    )


@pytest.mark.parametrize("minutes", [-1, 20_000, "soon"])
def test_how_long_a_worker_waits_has_bounds(minutes: object) -> None:
    (line,) = refused(f"worker_wait={minutes}")
    assert line.startswith("expected `worker_wait` to be ")


def test_recipes_of_probes_are_not_shared() -> None:
    (line,) = refused("worker=1/2", config="probes", shape=ProbesChoiceConfig)
    assert "`worker` to be null" in line


@pytest.mark.parametrize(
    ("overrides", "path", "says"),
    [
        (["run_on=spark"], "run_on", "one of here, ray"),
        (["run_on=ray", "worker=1/2"], "worker", "null with `run_on=ray`"),
        (["run_on=ray", "trainer.devices=2"], "trainer.devices", "with `run_on=ray`, but got 2 processes"),
        (["ray.gpus_per_worker=1.5"], "ray.gpus_per_worker", "a whole number above 1"),
        (["ray.gpus_per_worker=-1"], "ray.gpus_per_worker", "from 0 to 64"),
        (["ray.cpus_per_worker=0"], "ray.cpus_per_worker", "above 0"),
        (["ray.workers=0"], "ray.workers", "from 1 to"),
        (["ray.tries=0"], "ray.tries", "from 1 to 1000"),
        (["ray.address=''"], "ray.address", "at least one entry"),
    ],
)
def test_what_ray_cannot_do_is_refused_in_one_line(overrides: list[str], path: str, says: str) -> None:
    (line,) = refused(*overrides)
    assert line.startswith(f"expected `{path}` to ")
    assert says in line


def test_recipes_of_probes_are_not_for_ray() -> None:
    (line,) = refused("run_on=ray", config="probes", shape=ProbesChoiceConfig)
    assert "`run_on` to be here" in line
