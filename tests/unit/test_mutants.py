"""The tool behind `make test-mutation`: which faults there are, and that one is put where it has been imported to."""

import importlib.util
from pathlib import Path
from typing import Any

from mutants import mutants
from mutation import put_into

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
    assert put_into(fault.code(), fault.function, fault.file)
    assert half(20) == 6
    assert str(fault).endswith("`2` → `3`")
    assert not put_into(fault.code(), "none", fault.file)
