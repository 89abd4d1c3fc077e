"""Stages that cannot follow each other are known from their names, and from what lies among the artifacts."""

import re
from pathlib import Path

import pytest

from ccps.core.errors import UserError
from ccps.pipeline.order import check_order

READS = {"b": ("a",), "c": ("b", "a"), "d": ("c",)}


def made(artifacts: Path, stage: str) -> None:
    (artifacts / stage / "key").mkdir(parents=True)
    (artifacts / stage / "key" / "manifest.json").write_text("{}")


def refusal(asked: list[str], artifacts: Path) -> str:
    try:
        check_order(asked, READS, artifacts)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("asked", [["a"], ["a", "b"], ["d", "c", "b", "a"], ["elsewhere"], []])
def test_lists_that_can_work(tmp_path: Path, asked: list[str]) -> None:
    assert refusal(asked, tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["b"], "stage `a` to have been run before `b`, .* Add `a` to"),
        (["a", "c"], "stage `b` to have been run before `c`, .* Add `b` to"),
        (["a", "d"], "stage `c` to have been run before `d`, .* Add `c` and `b` to"),
        (["d"], "stage `c` to have been run before `d`, .* Add `c`, `b` and `a` to"),
    ],
)
def test_what_no_run_has_made_is_missing(tmp_path: Path, asked: list[str], message: str) -> None:
    assert re.search(message, refusal(asked, tmp_path))


def test_what_a_run_has_made_may_be_what_is_read(tmp_path: Path) -> None:
    made(tmp_path, "b")
    assert refusal(["d", "c", "a"], tmp_path) == ""
    assert "stage `a` to have been run before `c`" in refusal(["d", "c"], tmp_path)  # of which `b` says nothing


def test_what_was_broken_off_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "key").mkdir(parents=True)
    assert "no artifact of it in" in refusal(["b"], tmp_path)
