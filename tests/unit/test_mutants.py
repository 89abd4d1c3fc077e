"""The tool behind `make test-mutation`: which faults there are, and that one is put where it has been imported to."""

import gc
import importlib.util
from pathlib import Path
from typing import Any

from mutants import mutants
from mutation import Ledger, live_functions, put_into, sentence

TEXT = '''"""Docstring."""
LIMIT = 3


def half(x: int, least: int = 1) -> int:
    """Docstring."""
    if x <= least:
        return 0
    return max(x // 2, len("abc"))
'''


def written(folder: Path) -> Path:
    file = folder / "halves.py"
    file.write_text(TEXT)
    return file


def test_faults_are_those_of_bodies_alone(tmp_path: Path) -> None:
    found = [str(one).split(": ", 1)[1] for one in mutants(written(tmp_path))]
    assert found == [
        "`x <= least` → `x < least`",
        "`0` → `1`",
        "`max(x // 2, len('abc'))` → `max(None, len('abc'))`",
        "`max(x // 2, len('abc'))` → `max(len('abc'))`",
        "`max(x // 2, len('abc'))` → `max(x // 2, None)`",
        "`max(x // 2, len('abc'))` → `max(x // 2)`",
        "`x // 2` → `x / 2`",
        "`2` → `3`",
    ]


def test_a_fault_changes_functions_that_are_imported_already_and_the_tree_is_left_whole(tmp_path: Path) -> None:
    file = written(tmp_path)
    spec = importlib.util.spec_from_file_location("halves", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    half = module.half
    assert half(20) == 10
    (fault,) = [one for one in mutants(file) if str(one).endswith("`2` → `3`")]
    gc.freeze()  # as the session of tests does
    live = live_functions(tmp_path)
    assert gc.get_freeze_count() > len(live)  # so it is left to the tests that follow
    assert put_into(fault.code(), fault.function, fault.file, live)
    assert half(20) == 6
    assert str(fault).endswith("`2` → `3`")
    assert not put_into(fault.code(), "none", fault.file, live)


def test_what_was_found_is_written_down_and_the_last_word_counts(tmp_path: Path) -> None:
    file = tmp_path / "room" / "found.jsonl"
    Ledger(file).note("0 a → b", "survived")
    Ledger(file).note("1 c → d", "killed")
    Ledger(file).note("0 a → b", "killed")
    assert Ledger(file).found == {"0 a → b": "killed", "1 c → d": "killed"}


def test_a_share_stands_with_its_interval() -> None:
    # Wilson (1927) by hand: 35 of 40, z = 1.96, centre (0.875 + z²/80) / (1 + z²/40), half width 10.3 points.
    found = [*["killed"] * 34, "slow", *["survived"] * 3, *["unreached"] * 2, "void"]
    said = sentence("room", found, 500)
    assert "35 of 40 noticed (87.5% [73.9%, 94.5%])" in said
    assert sentence("room", ["void"], 1) == "room: none tried"
