"""Stages as a graph, against reachability by brute force."""

from itertools import combinations

import pytest

from ccps.pipeline.graph import Graph, Node

# A small main job: two benchmarks, a method that is trained and one that is not but asks the model more.
READS = {
    "answer train": [],
    "answer test": [],
    "grade train": ["answer train"],
    "grade test": ["answer test"],
    "sample test": ["answer test"],
    "extract train": ["answer train"],
    "extract test": ["answer test"],
    "fit ccps": ["extract train", "grade train"],
    "score ccps": ["fit ccps", "extract test", "grade test"],
    "score samples": ["sample test", "extract test", "grade test"],
    "evaluate test": ["score ccps", "score samples", "grade test"],
    "audit ccps": ["fit ccps", "extract test", "grade test"],
    "report": ["evaluate test", "audit ccps", "score ccps", "score samples"],
}
STAGES = list(dict.fromkeys(name.split()[0] for name in READS))


def graph_of(reads: dict[str, list[str]]) -> Graph:
    graph = Graph()
    for key, read in reads.items():
        graph.add(Node(key, key.split()[0], key, read))
    return graph


def reached(start: str) -> set[str]:
    """What there is a path to, by following every path."""
    return {start}.union(*(reached(key) for key in READS[start]))


def test_what_is_wanted_is_what_can_be_reached_from_what_was_asked() -> None:
    graph = graph_of(READS)
    for size in range(4):
        for asked in combinations(STAGES, size):
            paths = [reached(key) for key in READS if key.split()[0] in asked]
            assert graph.wanted(asked) == set().union(*paths)
    assert graph.wanted(None) == set(READS)


@pytest.mark.parametrize(
    ("asked", "there", "missing"),
    [
        (STAGES, [], []),
        (["answer"], [], []),
        (["score"], [], ["answer", "grade", "sample", "extract", "fit"]),
        (["score"], ["answer", "grade", "sample", "extract"], ["fit"]),
        (["extract", "fit"], ["answer", "grade"], []),  # fitting does not wait for samples of the test
        (["extract"], ["answer"], []),  # nor features for grades
        (["evaluate"], ["answer", "grade", "sample", "extract", "fit"], ["score"]),
        (["audit"], ["answer", "grade", "extract", "fit"], []),
        (["report"], [stage for stage in STAGES if stage != "audit"], ["audit"]),
        (["answer", "report"], ["grade"], ["sample", "extract", "fit", "score", "evaluate", "audit"]),
    ],
)
def test_what_is_missing_is_wanted_not_asked_for_and_not_there(
    asked: list[str], there: list[str], missing: list[str]
) -> None:
    found = graph_of(READS).missing(asked, lambda key: key.split()[0] in there)
    assert list(dict.fromkeys(node.stage for node in found)) == missing
    assert graph_of(READS).missing(None, lambda key: False) == []


def test_nodes_keep_their_order_and_whatever_they_read_stands_before_them() -> None:
    nodes = graph_of(READS).nodes
    assert [node.key for node in nodes] == list(READS)
    places = {node.key: place for place, node in enumerate(nodes)}
    assert all(places[key] < places[node.key] for node in nodes for key in node.reads)


@pytest.mark.parametrize("reads", [["itself"], ["later"], ["unheard of"]])
def test_a_circle_cannot_be_closed(reads: list[str]) -> None:
    graph = Graph()
    with pytest.raises(ValueError, match=r"reads what no stage before it makes"):
        graph.add(Node("itself", "stage", "one", reads))
    assert graph.nodes == []
    graph.add(Node("later", "stage", "two", []))
    assert graph.wanted(["stage"]) == {"later"}


def test_two_stages_that_make_the_same_are_both_kept() -> None:
    graph = graph_of({"answer one": []})
    graph.add(Node("answer one", "answer", "again", []))
    assert [node.title for node in graph.nodes] == ["answer one", "again"]
    assert graph.wanted(["answer"]) == {"answer one"}
