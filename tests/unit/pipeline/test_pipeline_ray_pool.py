"""Handing out shards to actors that may be lost; the cluster itself is played by `toy_ray`."""

import json
import pickle
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_ray import Call, ToyRay

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.llm import LanguageModel
from ccps.pipeline import model as model_module
from ccps.pipeline.computing import run_stage
from ccps.pipeline.model import SharedModel
from ccps.pipeline.ray_cluster import check_ray
from ccps.pipeline.ray_pool import RayPool
from ccps.pipeline.stage import Run, Stage, Work
from ccps.settings.run import TrainerConfig
from ccps.settings.sharing import RayConfig


class Numbers(Stage):
    """Squares, two to a shard; the summary needs what `prepare` has laid out."""

    name = "numbers"
    independent = True

    def __init__(self, n: int = 9, wrong: int | None = None) -> None:
        super().__init__()
        self.n = n
        self.wrong = wrong

    @property
    def title(self) -> str:
        return f"below {self.n}"

    def inputs(self) -> Mapping[str, Any]:
        return {"n": self.n}

    def prepare(self, device: Any) -> None:
        self.numbers = list(range(self.n))

    def plan(self) -> Sequence[Sequence[Work]]:
        return [[Work(one) for one in self.numbers[start : start + 2]] for start in range(0, self.n, 2)]

    def step(self, content: int) -> int:
        if content == self.wrong:
            raise UserError("Expected a number that can be squared.")
        return content**2

    def save_shard(self, outputs: list[int], folder: Path) -> Mapping[str, float]:
        (folder / "numbers.json").write_text(json.dumps(outputs))
        return {"n": len(outputs)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        return {"numbers": len(self.numbers)}


class Dependent(Numbers):
    name = "dependent"
    independent = False


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> ToyRay:
    ray = ToyRay()
    ray.install(monkeypatch)
    return ray


def on_ray(root: Path, **settings: Any) -> Run:
    return Run(root, "cpu", pool=RayPool(RayConfig(**settings), TrainerConfig(accelerator="cpu"), root))


def content(artifact: Artifact) -> dict[str, bytes]:
    return {
        path.relative_to(artifact.folder).as_posix(): path.read_bytes()
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "costs."))
    }


def makes(ray: ToyRay) -> Counter[int]:
    """How often each shard was begun."""
    return Counter(call.arguments[-1] for call in ray.calls if call.method == "make")


def test_actors_write_what_one_process_writes(tmp_path: Path, ray: ToyRay, capsys: pytest.CaptureFixture[str]) -> None:
    alone = run_stage(Numbers(), Run(tmp_path / "alone", "cpu"))
    capsys.readouterr()
    found = run_stage(Numbers(), on_ray(tmp_path / "ray"))
    assert content(found) == content(alone)
    assert makes(ray) == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}
    assert len(ray.actors) == 2  # the cores of the one node that lives
    assert {cost["n"] for cost in found.costs()} == {1, 2}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ray       this machine · joined · nodes 1, actors at most 2"
    assert [line.split(" · ")[0] for line in lines[1:]] == ["numbers   below 9"]


def test_a_run_that_finds_everything_joins_no_cluster(tmp_path: Path, ray: ToyRay) -> None:
    run_stage(Numbers(), Run(tmp_path, "cpu"))
    run_stage(Numbers(), on_ray(tmp_path))
    assert ray.calls == []
    assert not hasattr(ray, "options")


def test_what_is_there_is_not_made_again(tmp_path: Path, ray: ToyRay) -> None:
    whole = run_stage(Numbers(), Run(tmp_path, "cpu"))
    before = content(whole)
    (whole.folder / "manifest.json").unlink()
    (whole.folder / "00003" / "numbers.json").unlink()
    (whole.folder / "00003").rmdir()
    assert content(run_stage(Numbers(), on_ray(tmp_path))) == before
    assert makes(ray) == {3: 1}


def test_shards_that_depend_on_each_other_stay_here(tmp_path: Path, ray: ToyRay) -> None:
    assert run_stage(Dependent(), on_ray(tmp_path)).summary == {"numbers": 9}
    assert ray.calls == []


def test_a_shard_whose_actor_is_lost_goes_to_another(tmp_path: Path, ray: ToyRay) -> None:
    alone = run_stage(Numbers(), Run(tmp_path / "alone", "cpu"))
    lost: list[int] = []

    def fate(call: Call) -> bool:
        first = call.method == "make" and call.arguments[-1] in (1, 3) and call.arguments[-1] not in lost
        lost.extend([call.arguments[-1]] if first else [])
        return first

    ray.fate = fate
    assert content(run_stage(Numbers(), on_ray(tmp_path / "ray"))) == content(alone)
    assert makes(ray) == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}
    assert sum(actor.dead for actor in ray.actors) == 2
    assert len(ray.actors) == 4


def test_an_idle_actor_that_is_lost_costs_no_shard_a_try(tmp_path: Path, ray: ToyRay) -> None:
    """All of a node's actors go at once, those too that had nothing to do."""
    down = False

    def fate(call: Call) -> bool:
        nonlocal down
        down = down or (call.method == "make" and call.arguments[-1] == 2)
        return down and call.actor in ray.actors[:2]

    ray.fate = fate
    assert run_stage(Numbers(), on_ray(tmp_path, tries=2)).complete
    assert max(makes(ray).values()) == 2


def test_a_shard_that_takes_every_actor_with_it_ends_the_run(tmp_path: Path, ray: ToyRay) -> None:
    ray.fate = lambda call: call.method == "make" and call.arguments[-1] == 2
    with pytest.raises(
        UserError, match=r"a shard to be in the hands of an actor that lives, but got 3 that were lost \(its"
    ):
        run_stage(Numbers(), on_ray(tmp_path, tries=3))
    assert makes(ray)[2] == 3


def test_actors_that_cannot_be_made_end_the_run(tmp_path: Path, ray: ToyRay) -> None:
    ray.fate = lambda call: call.method == "ready"
    with pytest.raises(UserError, match="a place to be in the hands of an actor that lives, but got 4"):
        run_stage(Numbers(), on_ray(tmp_path, tries=1))


def test_what_goes_wrong_in_an_actor_is_raised_as_here(tmp_path: Path, ray: ToyRay) -> None:
    with pytest.raises(UserError, match=r"^Expected a number that can be squared\.$"):
        run_stage(Numbers(wrong=5), on_ray(tmp_path))


def test_no_place_is_the_users_to_mend(tmp_path: Path, ray: ToyRay) -> None:
    with pytest.raises(UserError, match="a node that has 1 CPU and 2 GPU, but got none of 1"):
        run_stage(Numbers(), on_ray(tmp_path, gpus_per_worker=2))


def test_as_many_actors_as_are_asked_for_and_no_more_than_there_is_work(tmp_path: Path, ray: ToyRay) -> None:
    run_stage(Numbers(), on_ray(tmp_path, workers=4))
    assert len(ray.actors) == 4
    run_stage(Numbers(2), on_ray(tmp_path, workers=4))
    assert len(ray.actors) == 4 + 1


def test_a_cluster_by_host_and_port_is_knocked_at_first(tmp_path: Path, ray: ToyRay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        place = f"127.0.0.1:{door.getsockname()[1]}"
        assert run_stage(Numbers(), on_ray(tmp_path / "open", address=place)).complete
    with pytest.raises(UserError, match=f"a cluster of Ray that can be reached, but got `{place}`"):
        run_stage(Numbers(), on_ray(tmp_path / "closed", address=place))
    assert run_stage(Numbers(), on_ray(tmp_path / "named", address="auto")).complete


def test_ray_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccps.pipeline.ray_cluster.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"not installed\. Run `pip install 'ccps\[ray\]'`"):
        check_ray("ray")
    check_ray("here")


def test_a_model_is_loaded_once_where_stages_are_sent(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "_SENT", [])
    first: LanguageModel = tiny_model("qwen2")
    other: LanguageModel = tiny_model("llama")
    model = SharedModel(first.files)
    model._loaded = first  # which is not sent
    sent, again = (pickle.loads(pickle.dumps(model)) for _ in range(2))
    assert sent is again
    assert sent is not model
    assert sent._loaded is None
    assert sent.files == model.files
    sent._loaded = first
    elsewhere = pickle.loads(pickle.dumps(SharedModel(other.files)))
    assert elsewhere.files == other.files
    assert sent._loaded is None  # one at a time
