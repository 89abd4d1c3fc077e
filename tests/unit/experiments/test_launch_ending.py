"""Whatever goes wrong in a run is said in words, with an exit code of its own, and never as a traceback."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.launch import launch

ROOT = Path(__file__).parents[3]
SPEAKS = """
import sys
from ccps.core.console import say
from experiments.launch import launch
times, sys.argv = int(sys.argv[1]), ["reproduce", "experiment=smoke"]
def main(settings):
    for _ in range(times):
        say("step", "Z\\u00fcrich \\u00b7 3 \\u20ac")
launch(main, lambda settings: None)
"""
MUCH = 100_000


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Exit code and last words of a run that fails, or whose check does; what it leaves lies in `tmp_path`."""
    monkeypatch.setattr(sys, "argv", ["entry", "experiment=smoke"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def end(main: Callable[[Any], None], check: Callable[[Any], None] = lambda settings: None) -> tuple[int, str]:
        with pytest.raises(SystemExit) as exit:
            launch(main, check)
        assert isinstance(exit.value.code, int)
        return exit.value.code, capsys.readouterr().err

    return end


def raises(error: BaseException) -> Callable[[Any], None]:
    def fail(settings: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("where", ["main", "check"])
@pytest.mark.parametrize(
    "error", [KeyError("x"), AssertionError(), RecursionError("deep"), FileNotFoundError(errno.ENOENT, "none", "x")]
)
def test_a_fault_of_ours(error: Exception, where: str, ended: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, said = ended(raises(error)) if where == "main" else ended(lambda settings: None, raises(error))
    assert code == 70
    (kept,) = tmp_path.iterdir()
    first, second = said.splitlines()
    assert first.startswith(f"This is a fault of ours, not of your settings: {type(error).__name__}")
    assert str(kept) in second
    record = kept.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in record
    assert 'test_launch_ending.py", line' in record
    assert f"Python {sys.version.split()[0]}" in record
    assert "\ntorch " in record
    assert sys.orig_argv[0] in record


def test_a_fault_that_cannot_be_kept_is_said_whole(
    ended: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    code, said = ended(raises(KeyError("x")))
    assert code == 70
    assert "Traceback" in said
    assert "what stands above" in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "too little memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 bytes"), "too little memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "No space left on device"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), "Permission denied: '/root/x'"),
    ],
)
def test_what_the_machine_lacks(
    error: Exception, words: str, ended: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    import torch  # noqa: F401  (its words for too little memory are only known to it)

    code, said = ended(raises(error))
    assert code == 2
    assert words in said
    assert "Run the same command again" in said
    assert list(tmp_path.iterdir()) == []


def speaking(times: int, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A run that says a line so many times, as part of a shell command in which it is called `$RUN`."""
    run = f"'{sys.executable}' -c '{SPEAKS}' {times}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace('RUN', run)}"],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        encoding="utf-8",
        check=False,
    )


def test_a_full_output() -> None:
    done = speaking(1, "RUN > /dev/full")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_nobody_reads_any_more() -> None:
    done = speaking(MUCH, "RUN | head -1")
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_output() -> None:
    done = speaking(1, "RUN >&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "encoding",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"LC_ALL": "C"},
    ],
    ids=["ascii", "plain C", "C"],
)
def test_an_output_of_any_encoding(encoding: dict[str, str]) -> None:
    done = speaking(1, "RUN", **encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() in (
        ["step", "Zürich", "·", "3", "€", "·", "done"],
        [r"step", r"Z\xfcrich", r"\xb7", "3", r"\u20ac", r"\xb7", "done"],
    )
