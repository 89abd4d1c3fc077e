"""Workers of two machines that share nothing but an object store, and are killed: a disk as one, and moto as S3."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
import s3_server
from killed_workers import Worker, run_until_nothing_is_left
from toy_jobs import Ended, ToyJob, Whole, contents, different, start, wait

pytestmark = pytest.mark.slow


class Bucket:
    """A store that the test may look into.

    Attributes:
        url: of it.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def copy(self, folder: Path) -> Path:
        """All of its objects as files of a folder, as a tool of the store would copy them."""
        import fsspec

        fs, path = fsspec.url_to_fs(self.url)
        for name in fs.find(path):
            target = folder / name.removeprefix(path).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(name, str(target))
        return folder


@pytest.fixture
def disk(tmp_path: Path) -> Bucket:
    return Bucket(f"file://{tmp_path}/bucket/prefix")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket of a server on this machine, which notes what it is asked for in `asked`."""
    why = "Needs s3fs and moto's server, whose python-dateutil is older than the tested one (CONTRIBUTING.md)"
    for package in ("s3fs", "moto", "flask_cors"):
        pytest.importorskip(package, reason=why)
    with s3_server.running(tmp_path / "asked") as address:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield Bucket(f"s3://{s3_server.BUCKET}/prefix")


def killed_workers(job: ToyJob, bucket: Bucket, folder: Path, dice: Random, seconds: float, kills: int) -> int:
    """Have two workers with a folder each do a job, some of which are killed; returns how many were."""
    workers = []
    for number in (1, 2):
        worker = replace(job, settings={**job.settings, "worker": f"{number}/2"})
        own = folder / f"machine{number}"
        own.mkdir(exist_ok=True)
        workers.append(Worker(partial(worker.run, own, bucket.url), folder / f"log{number}"))
    return run_until_nothing_is_left(workers, dice, seconds, kills)


def noted(folder: Path) -> Counter[tuple[str, int]]:
    """How often workers have noted what a shard cost, by artifact and shard."""
    return Counter(
        ("/".join(file.parts[-3:-1]), json.loads(line)["shard"])
        for file in folder.glob("machine?/cache/*/*/costs.shared-?of2-*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.endswith("}")
    )


def check(job: Whole, bucket: Bucket, folder: Path, dice: Random, *, kills: int) -> None:
    killed = killed_workers(job.job, bucket, folder, dice, job.seconds, kills)
    assert killed > 0 or kills == 0
    gathers = folder / "machine3"
    gathers.mkdir()
    ended = wait(start(partial(job.job.run, gathers, bucket.url), folder / "log"), folder / "log")
    assert ended.code == 0, ended.said
    assert different(contents(gathers / "output"), job.output) == []
    copied = bucket.copy(folder / "copied")
    for manifest in (job.folder / "artifacts").glob("*/*/manifest.json"):
        stage, key = manifest.parts[-3:-1]
        if "report" not in stage:  # which counts what was found, and what was made
            for path in [manifest, *manifest.parent.glob("[0-9]*/**/*")]:
                twin = copied / stage / key / path.relative_to(manifest.parent)
                assert not path.is_file() or twin.read_bytes() == path.read_bytes()


def test_workers_with_a_folder_each_leave_what_one_process_leaves(
    job: Whole, disk: Bucket, tmp_path: Path, dice: Random
) -> None:
    check(job, disk, tmp_path, dice, kills=3)


def test_the_same_by_the_api_of_s3(whole: Callable[[str], Whole], s3: Bucket, tmp_path: Path, dice: Random) -> None:
    check(whole("main"), s3, tmp_path, dice, kills=3)


def test_no_shard_is_made_twice_but_those_in_hand(
    whole: Callable[[str], Whole], disk: Bucket, tmp_path: Path, dice: Random
) -> None:
    job = whole("main")
    killed = killed_workers(job.job, disk, tmp_path, dice, job.seconds, kills=4)
    made = noted(tmp_path)
    assert made
    assert sum(number - 1 for number in made.values()) <= killed


def test_a_bucket_that_is_not_there_ends_the_run_at_once(
    whole: Callable[[str], Whole], s3: Bucket, tmp_path: Path
) -> None:
    ended = _ended(whole("main").job, tmp_path, "s3://elsewhere/prefix")
    assert ended.code == 2
    assert "Expected `s3://elsewhere/prefix` to be an object store that can be reached and written" in ended.said


def _ended(job: ToyJob, folder: Path, url: str) -> Ended:
    return wait(start(partial(job.run, folder / "run", url), folder / "log"), folder / "log")


def test_requests_are_as_many_as_the_guide_says(whole: Callable[[str], Whole], s3: Bucket, tmp_path: Path) -> None:
    ended = _ended(whole("main").job, tmp_path, s3.url)
    assert ended.code == 0, ended.said
    asked = s3_server.asked(tmp_path / "asked")
    cache = tmp_path / "run" / "cache"
    shards, artifacts = len(list(cache.glob("*/*/[0-9]*"))), len(list(cache.glob("*/*/manifest.json")))
    files = sum(path.is_file() for path in cache.glob("*/*/[0-9]*/**/*"))
    # Of a shard each file, its costs, its mark; of an artifact its inputs, costs, manifest; and one for the start.
    assert asked["PUT"] == files + 2 * shards + 3 * artifacts + 1
    # Whoever fills an artifact lists it when it begins, and when it looks what is left.
    assert asked["LIST"] <= 4 * artifacts
    assert set(asked) == {"PUT", "GET", "LIST"}
