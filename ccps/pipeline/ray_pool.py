"""Shards made by the actors of a cluster of Ray, each of which holds the model.

Placement, transport, and noticing that an actor is gone are Ray's. This process hands out numbers of shards and hears
when each is written: content goes by way of the folder of artifacts, which all nodes see. What an actor had in hand
that was lost goes to another one; Ray's own restarts would have it wait until the same actor has found a new place.
"""

import logging
import os
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch

from ccps.core.console import say
from ccps.core.errors import UserError, expected
from ccps.core.keys import own_name
from ccps.core.objects import ObjectStore, note_copy
from ccps.pipeline.computing import discard_odd, finish, make_shard
from ccps.pipeline.odd_shards import odd_shards
from ccps.pipeline.progress import StageProgress
from ccps.pipeline.stage import Run, Stage, Work
from ccps.pipeline.trainer import run_device
from ccps.settings.run import TrainerConfig
from ccps.settings.sharing import RayConfig

T = TypeVar("T")
_LOOK_S = 1.0
_SILENT_S = 30.0
_KNOCK_S = 10.0
_MOST = 300
"""Characters of what Ray says of an error."""


def check_ray(run_on: str) -> None:
    """Refuse Ray where it is not installed.

    Raises:
        UserError: it is not.
    """
    if run_on == "ray" and find_spec("ray") is None:
        raise expected("`run_on`", "here", "ray, which is not installed", "Run `pip install 'ccps[ray]'`.")


class Hand:
    """An actor: makes shards of one stage after the other, and keeps the model between them.

    A stage comes by its key and a reference in a list, which Ray does not fetch unless it is asked to.

    Args:
        root: folder of artifacts.
        here: folder that the run was started in, from which its other paths may count.
        accelerator: of Lightning.
        threads: of torch; None for what Ray has set.
        objects: see `Run`.
    """

    def __init__(
        self, root: Path, here: Path, accelerator: str, threads: int | None, objects: ObjectStore | None
    ) -> None:
        with suppress(FileNotFoundError):
            os.chdir(here)
        if threads is not None:
            torch.set_num_threads(threads)
        if objects is not None:
            note_copy(root, objects.url)
        self._run = Run(root, accelerator, own=own_name("ray"), objects=objects)
        self._key = ""
        self._stage: Stage | None = None
        self._shards: Sequence[Sequence[Work]] = ()

    def ready(self) -> None:
        """Answer, once there is a place for it."""

    def sizes(self, key: str, reference: list[Any]) -> list[int]:
        """Units of work of each shard of a stage."""
        self._open(key, reference)
        return [sum(work.size for work in shard) for shard in self._shards]

    def make(self, key: str, reference: list[Any], shard: int) -> None:
        """Make a shard, unless it is there."""
        stage = self._open(key, reference)
        artifact = stage.artifact(self._run)
        if not artifact.has_shard(shard):
            make_shard(stage, artifact, self._run, shard, self._shards[shard])

    def finish(self, key: str, reference: list[Any], found: bool) -> None:
        """Complete an artifact, all of whose shards are there; `found` says whether they were all found."""
        stage = self._open(key, reference)
        finish(stage, stage.artifact(self._run), len(self._shards), found=found)

    def do(self, work: Callable[..., object], arguments: Sequence[Any]) -> None:
        """Do something else, given the arguments and how stages are run here."""
        work(*arguments, self._run)

    def _open(self, key: str, reference: list[Any]) -> Stage:
        """The stage, prepared."""
        import ray

        if self._stage is None or self._key != key:
            self._stage, self._shards = None, ()  # the last one's memory goes first
            stage: Stage = ray.get(reference[0])
            stage.prepare(run_device(self._run))
            self._key, self._stage, self._shards = key, stage, stage.plan()
        return self._stage


class RayPool:
    """The actors of a run. The cluster is joined, or started, when there is something to do.

    Args:
        config: which cluster, and what each actor gets of it.
        trainer: accelerator and threads of each.
        root: absolute path of the folder of artifacts, the same on all nodes.
        objects: see `Run`; with one the folder is each node's own.
    """

    def __init__(
        self, config: RayConfig, trainer: TrainerConfig, root: Path, objects: ObjectStore | None = None
    ) -> None:
        self._config = config
        self._trainer = trainer
        self._root = root
        self._objects = objects
        self._hand: Any = None
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, Any]] = {}
        self._places = self._refused = 0
        self._looked, self._heard = -_LOOK_S, 0.0

    def fill(self, stage: Stage, run: Run) -> None:
        """Complete the artifact of an independent stage, which this process holds for writing.

        Raises:
            UserError: there is no place for an actor, or a shard is lost too often; or what the stage raises.
        """
        import ray

        self._join()
        artifact = stage.artifact(run)
        order = (artifact.key, [ray.put(stage)])
        sizes: list[int] = self._one(lambda hand: hand.sizes.remote(*order))
        missing = artifact.missing(range(len(sizes)))
        progress = StageProgress(stage.name, stage.title, stage.unit)
        progress.total, progress.done = sum(sizes), sum(sizes) - sum(sizes[shard] for shard in missing)

        def make(shards: Sequence[int]) -> None:
            self._all(shards, lambda hand, shard: hand.make.remote(*order, shard), advance)

        def advance(shard: int, answer: None) -> None:
            progress.advance(sizes[shard])

        progress.start()
        try:
            make(missing)
            if odd := odd_shards(artifact, len(sizes), missing):
                discard_odd(stage, artifact, odd)
                progress.done -= sum(sizes[shard] for shard in odd)
                make(odd)
        finally:
            progress.stop()
        self._one(lambda hand: hand.finish.remote(*order, not missing))

    def do(self, work: Callable[..., object], *arguments: Any) -> None:
        """Have an actor do something, given the arguments and how stages are run there."""
        self._join()
        self._one(lambda hand: hand.do.remote(work, arguments))

    def close(self) -> None:
        """Let the actors go, and leave the cluster; one that was started for this run ends."""
        if self._hand is not None:
            import ray

            ray.shutdown()
            self._hand = None

    def _one(self, call: Callable[[Any], Any]) -> Any:
        """What any one actor answers."""
        answers: list[Any] = []
        self._all([0], lambda hand, _: call(hand), lambda _, answer: answers.append(answer))
        return answers[0]

    def _all(self, items: Sequence[T], call: Callable[[Any, T], Any], done: Callable[[T, Any], object]) -> None:
        """Have every item done by some actor, one at a time by each, in whatever order they come.

        Args:
            items: what to do.
            call: has an actor do one.
            done: is told of each that is done, with what the actor has answered.

        Raises:
            UserError: see `fill`.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        waiting, begun = deque(items), Counter[T]()
        self._heard = time.monotonic()
        while waiting or self._busy:
            self._grow(len(waiting) + len(self._busy))
            while waiting and self._idle:
                hand, item = self._idle.pop(), waiting.popleft()
                begun[item] += 1
                self._busy[call(hand, item)] = (hand, item)
            for reference in self._answered():
                hand, item = self._busy.pop(reference)
                try:
                    answer = ray.get(reference)
                except RayTaskError as error:
                    raise error.cause from error  # as it would be here, not a fault of Ray
                except RayError as error:
                    self._lost(hand)
                    if begun[item] >= self._config.tries:
                        raise _lost_too_often("a shard", begun[item], error) from error
                    waiting.append(item)
                else:
                    self._idle.append(hand)
                    done(item, answer)

    def _answered(self) -> list[Any]:
        """Calls that have ended, or failed; actors that have found their place become idle."""
        import ray
        from ray.exceptions import RayError

        found, _ = ray.wait([*self._busy, *self._starting], num_returns=1, timeout=_LOOK_S)
        for reference in [one for one in found if one in self._starting]:
            hand = self._starting.pop(reference)
            try:
                ray.get(reference)
            except RayError as error:  # its node is gone, and another one is asked for; or it cannot be made at all
                self._refused += 1
                if self._refused > self._config.tries * (1 + self._places):
                    raise _lost_too_often("a place", self._refused, error) from error
                continue
            self._refused = 0
            self._idle.append(hand)
        self._say_if_silent(heard=bool(found))
        return [one for one in found if one in self._busy]

    def _say_if_silent(self, *, heard: bool) -> None:
        """Say once that none has begun: other work holds the places, or they are yet to come."""
        now = time.monotonic()
        if heard or self._busy or self._idle:
            self._heard = now
        elif now - self._heard > _SILENT_S:
            self._heard = float("inf")
            why = "none has begun yet: nodes have no room now, or take long to load the package"
            say("ray", f"{len(self._starting)} actors", why, state="wait")

    def _lost(self, hand: Any) -> None:
        """Forget an actor; those that were idle may have been on the same node, and have to answer first."""
        import ray

        ray.kill(hand)  # one that Ray has only lost sight of must not go on either
        self._looked = -_LOOK_S
        self._starting |= {one.ready.remote(): one for one in self._idle}
        self._idle.clear()

    def _grow(self, wanted: int) -> None:
        """Ask for as many actors as there is work and place for."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked, self._places = now, self._config.workers or self._places_now()
        there = len(self._idle) + len(self._starting) + len(self._busy)
        for _ in range(min(wanted, self._places) - there):
            own = self._hand.options(num_cpus=self._config.cpus_per_worker, num_gpus=self._gpus)
            one = own.remote(self._root, Path.cwd(), self._trainer.accelerator, self._trainer.threads, self._objects)
            self._starting[one.ready.remote()] = one

    @property
    def _gpus(self) -> float:
        """GPUs of each actor."""
        import ray

        if self._config.gpus_per_worker is not None:
            return self._config.gpus_per_worker
        return float(self._trainer.accelerator != "cpu" and ray.cluster_resources().get("GPU", 0) > 0)

    def _places_now(self) -> int:
        """How many actors the nodes have room for, whatever else runs there.

        Raises:
            UserError: none.
        """
        import ray

        needs = {"CPU": self._config.cpus_per_worker, "GPU": self._gpus}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        places = sum(
            min(int(node.get(name, 0) / need + 1e-6) for name, need in needs.items() if need) for node in nodes
        )
        if not places:
            wants = " and ".join(f"{need:g} {name}" for name, need in needs.items() if need)
            way_out = "Lower ray.gpus_per_worker or ray.cpus_per_worker, or set ray.workers to wait for such a node."
            raise expected("the cluster of Ray", f"one with a node that has {wants}", f"none of {len(nodes)}", way_out)
        return places

    def _join(self) -> None:
        """Join the cluster, or start one.

        Raises:
            UserError: it cannot be reached.
        """
        if self._hand is not None:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        address = self._config.address
        handler = signal.getsignal(signal.SIGTERM)
        try:
            _knock(address)
            dashboard = None if address else False  # of a cluster that is there it is not ours to say
            ray.init(address=address, include_dashboard=dashboard, logging_level=logging.WARNING)
        except (OSError, RuntimeError, ValueError) as error:
            got, way_out = f"`{address}` ({_in_brief(error)})", "Start one with `ray start --head`, or leave it out."
            raise expected("`ray.address`", "a cluster of Ray that can be reached", got, way_out) from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # which Ray takes for itself
        self._hand = ray.remote(Hand)
        nodes = len([node for node in ray.nodes() if node["Alive"]])
        places = self._config.workers or self._places_now()
        say("ray", address or "this machine", f"nodes {nodes}, actors at most {places}", state="joined")


def _knock(address: str | None) -> None:
    """Make sure that somebody listens where a cluster is named by host and port: Ray itself would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, separator, port = (address or "").rpartition(":")
    if separator and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _lost_too_often(what: str, times: int, error: Exception) -> UserError:
    way_out = (
        "What the actors said stands above. For want of memory lower answering.max_batch_tokens; where nodes come and "
        "go raise ray.tries. Run the same command again: the shards written so far are kept."
    )
    return expected(
        what, "in the hands of an actor that lives", f"{times} that were lost ({_in_brief(error)})", way_out
    )


def _in_brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
