"""Rules of the house that no linter states."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[2]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "tests").rglob("*.py"))}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("package", ["ccps", "experiments"])
def test_no_file_imports_itself_by_way_of_others(package: str) -> None:
    """The import contract sees circles among siblings; this sees those by way of a package's `__init__` as well."""
    graph = grimp.build_graph(package, cache_dir=None)
    place = {name: index for index, name in enumerate(sorted(graph.modules))}
    edges = [(place[name], place[other]) for name in place for other in graph.find_modules_directly_imported_by(name)]
    assert edges
    importer, imported = zip(*edges, strict=True)
    links = coo_array(([1] * len(edges), (importer, imported)), shape=(len(place), len(place)))
    _, component = connected_components(links, connection="strong")
    circles: dict[int, list[str]] = {}
    for name, index in place.items():
        circles.setdefault(int(component[index]), []).append(name)
    assert [circle for circle in circles.values() if len(circle) > 1] == []


@pytest.mark.parametrize(
    ("pattern", "but"),
    [
        # What a shard is called: whoever needs one asks its artifact.
        (r"05d|zfill|[\"']0{5}[\"']|glob\([\"'][^\"']*0\*", "ccps/core/keys.py"),
        # Reasons are data, and no words to be found again in a name.
        (r"startswith\([\"']unknown", ""),
    ],
)
def test_no_file_of_the_package_writes(pattern: str, but: str) -> None:
    files = [path for package in ("ccps", "experiments") for path in (ROOT / package).rglob("*.py")]
    assert files
    found = [path for path in files if re.search(pattern, path.read_text(encoding="utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in found if str(path.relative_to(ROOT)) != but] == []


def test_unit_tests_mirror_the_package() -> None:
    rooms = {path.name for path in (ROOT / "ccps").iterdir() if path.is_dir()} | {"experiments"}
    folders = {path.name for path in (ROOT / "tests" / "unit").iterdir() if path.is_dir()}
    assert folders - rooms - {"__pycache__"} == set()


def test_files_of_tests_have_names_of_their_own() -> None:
    """Two of one name cannot be collected together, which a run of some folders does not show."""
    files = [path for path in TREES if path.name.startswith("test_")]
    assert len(files) > 300
    assert [name for name, n in Counter(path.name for path in files).items() if n > 1] == []


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def called(function: Function) -> set[str]:
    """Names that a function calls, without what stands before the last dot, and the fixtures it takes."""
    calls = {ast.unparse(node.func).split(".")[-1] for node in ast.walk(function) if isinstance(node, ast.Call)}
    return calls | {argument.arg for argument in function.args.args}


def asserts(function: Function) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(
        name in {"raises", "warns"} or name.startswith("assert_") for name in called(function)
    )


def test_every_test_asserts_something() -> None:
    """In itself, or in a helper of the tests that it calls or takes as a fixture."""
    helpers = {function.name for tree in TREES.values() for function in functions(tree) if asserts(function)}
    idle = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path, tree in TREES.items()
        for function in functions(tree)
        if function.name.startswith("test_") and not asserts(function) and not called(function) & helpers
    ]
    assert idle == []


def test_no_test_asserts_on_the_clock() -> None:
    """What a busy machine makes slow is no fault; how fast things are is for `make bench` to say."""
    clocks = {"time", "perf_counter", "monotonic", "process_time", "thread_time"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        and any(
            isinstance(part, ast.Call) and ast.unparse(part.func).split(".")[-1] in clocks for part in ast.walk(node)
        )
    ]
    assert found == []
