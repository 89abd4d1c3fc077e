import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from toy_jobs import Ended, ToyJob, Whole


@pytest.fixture(scope="session")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> "dict[str, ToyJob]":
    from toy_jobs import toy_jobs

    return toy_jobs(tmp_path_factory.mktemp("questions"))


@pytest.fixture(scope="session")
def whole(jobs: "dict[str, ToyJob]", tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Whole]":
    """A job by its name, run once for all tests."""
    import faults
    from toy_jobs import Whole, contents, in_process

    done: dict[str, Whole] = {}

    def run(name: str) -> Whole:
        if name not in done:
            folder = tmp_path_factory.mktemp(f"whole_{name}")
            log = folder / "events"
            before = _computed()
            ended = in_process(lambda: jobs[name].run(folder), folder / "log", lambda: faults.record(folder, log))
            assert ended.code == 0, ended.said
            events = log.read_text(encoding="utf-8").splitlines()
            done[name] = Whole(jobs[name], folder, contents(folder / "output"), events, max(_computed() - before, 0.5))
        return done[name]

    return run


def _computed() -> float:
    """Seconds that the processes started here have computed so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="session")
def computed() -> Callable[[], float]:
    """Seconds that the processes started here have computed so far."""
    return _computed


@pytest.fixture(params=["main", "sweep", "faithful"])
def job(request: pytest.FixtureRequest, whole: "Callable[[str], Whole]") -> "Whole":
    """Each of the three jobs."""
    return whole(request.param)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """The same random numbers for the same test, each time."""
    return random.Random(request.node.name)


@pytest.fixture
def run(tmp_path: Path) -> "Callable[..., Ended]":
    """Run a job in a folder, in a process of its own, with a fault or without."""
    from toy_jobs import in_process

    def one(job: "Whole", folder: Path, prepare: Callable[[], object] = lambda: None) -> "Ended":
        return in_process(lambda: job.job.run(folder), tmp_path / "log", prepare)

    return one


@pytest.fixture
def start_together(tmp_path: Path) -> "Callable[..., list[Ended]]":
    """Run a job several times at once in the same folder."""
    from toy_jobs import start, wait

    def several(job: "Whole", folder: Path, number: int) -> "list[Ended]":
        logs = [tmp_path / f"log{place}" for place in range(number)]
        started = [start(lambda: job.job.run(folder), log) for log in logs]
        return [wait(child, log) for child, log in zip(started, logs, strict=True)]

    return several
