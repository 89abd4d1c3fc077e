"""Shards made by the actors of a cluster of Ray, each of which holds the model.

Placement, transport, and noticing that an actor is gone are Ray's. This process hands out numbers of shards and hears
when each is written: content goes by way of the folder of artifacts, which all nodes see. What an actor had in hand
that was lost goes to another one; Ray's own restarts would have it wait until the same actor has found a new place.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ccps.core.console import say
from ccps.core.errors import UserError, expected
from ccps.core.objects import ObjectStore
from ccps.pipeline.computing import discard_odd
from ccps.pipeline.odd_shards import odd_shards
from ccps.pipeline.progress import StageProgress
from ccps.pipeline.ray_cluster import Cluster, in_brief
from ccps.pipeline.ray_hand import Hand
from ccps.pipeline.stage import Run, Stage
from ccps.settings.run import TrainerConfig
from ccps.settings.sharing import RayConfig

T = TypeVar("T")
_LOOK_S = 1.0
_SILENT_S = 30.0


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
        self._cluster = Cluster(config, trainer.accelerator)
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
        self._cluster.leave()

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
            self._looked, self._places = now, self._cluster.places()
        there = len(self._idle) + len(self._starting) + len(self._busy)
        for _ in range(min(wanted, self._places) - there):
            own = self._hand.options(num_cpus=self._config.cpus_per_worker, num_gpus=self._cluster.gpus)
            one = own.remote(self._root, Path.cwd(), self._trainer.accelerator, self._trainer.threads, self._objects)
            self._starting[one.ready.remote()] = one

    def _join(self) -> None:
        if self._cluster.join():
            import ray

            self._hand = ray.remote(Hand)
            self._cluster.tell()


def _lost_too_often(what: str, times: int, error: Exception) -> UserError:
    way_out = (
        "What the actors said stands above. For want of memory lower answering.max_batch_tokens; where nodes come and "
        "go raise ray.tries. Run the same command again: the shards written so far are kept."
    )
    return expected(what, "in the hands of an actor that lives", f"{times} that were lost ({in_brief(error)})", way_out)
