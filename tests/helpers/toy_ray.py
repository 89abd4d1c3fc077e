"""What a run needs of Ray, played in one process: actors that answer when they are waited for, and that can be lost."""

import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(eq=False)
class Call:
    """A reference to what an actor will answer."""

    actor: "Actor"
    method: str
    arguments: Sequence[Any]
    answer: Any = None
    error: RayError | None = None
    ended: bool = False

    def end(self, fate: Callable[["Call"], bool]) -> None:
        """Have it answered, if its actor lives."""
        self.ended = True
        self.actor.dead = self.actor.dead or fate(self)
        if self.actor.dead:
            self.error = RayActorError("its node was lost")
            return
        try:
            self.answer = getattr(self.actor.instance, self.method)(*self.arguments)
        except Exception as error:
            self.error = RayTaskError(error)


@dataclass(eq=False)
class Actor:
    instance: Any
    dead: bool = False

    def __getattr__(self, method: str) -> Any:
        def remote(*arguments: Any) -> Call:
            return Call(self, method, arguments)

        found = ModuleType(method)
        found.remote = remote  # type: ignore[attr-defined]
        return found


@dataclass
class ToyRay:
    """In the place of the module.

    Attributes:
        fate: whether the actor is lost before it answers a call.
        cores: of the one node.
        calls: everything that was waited for, in order.
    """

    fate: Callable[[Call], bool] = lambda call: False
    cores: float = 2.0
    calls: list[Call] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have `import ray` give this."""
        module, exceptions = ModuleType("ray"), ModuleType("ray.exceptions")
        names = ("init", "shutdown", "nodes", "cluster_resources", "remote", "put", "get", "wait", "kill")
        for name in names:
            setattr(module, name, getattr(self, name))
        for kind in (RayError, RayActorError, RayTaskError):
            setattr(exceptions, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, "ray", module)
        monkeypatch.setitem(sys.modules, "ray.exceptions", exceptions)

    def init(self, **options: Any) -> None:
        self.options = options

    def shutdown(self) -> None:
        self.actors.clear()

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": self.cores}}, {"Alive": False, "Resources": {"CPU": 64.0}}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cores}

    def remote(self, kind: type) -> Any:
        ray = self

        class Factory:
            def options(self, **options: Any) -> "Factory":
                ray.asked = options  # type: ignore[attr-defined]
                return self

            def remote(self, *arguments: Any) -> Actor:
                ray.actors.append(Actor(kind(*arguments)))
                return ray.actors[-1]

        return Factory()

    def put(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def get(self, reference: Any) -> Any:
        if isinstance(reference, bytes):
            return pickle.loads(reference)
        if reference.error is not None:
            raise reference.error
        return reference.answer

    def wait(self, references: Sequence[Call], num_returns: int, timeout: float) -> tuple[list[Call], list[Call]]:
        call = references[-1]
        call.end(self.fate)
        self.calls.append(call)
        return [call], [one for one in references if one is not call]

    def kill(self, actor: Actor) -> None:
        actor.dead = True
