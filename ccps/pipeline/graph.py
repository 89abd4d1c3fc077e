"""Stages as a graph: what was asked for, what that depends on, and what of it is missing. Knows no stage by name."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """One stage of a job.

    Attributes:
        key: of what it makes; two nodes that make the same have the same.
        stage: name of the stage, by which users ask for it.
        title: a few words that tell it from other runs of the stage.
        reads: keys of what it reads.
    """

    key: str
    stage: str
    title: str
    reads: Sequence[str]


class Graph:
    """Stages in the order in which they may run.

    Whatever a node reads has been added before it. So the order needs no search, and a circle cannot arise.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._reads: dict[str, Sequence[str]] = {}

    def add(self, node: Node) -> None:
        """Add a stage after all that it reads.

        Raises:
            ValueError: it reads what has not been added.
        """
        unknown = [key for key in node.reads if key not in self._reads]
        if unknown:
            raise ValueError(f"`{node.stage}` ({node.title}) reads what no stage before it makes: {', '.join(unknown)}")
        self.nodes.append(node)
        self._reads[node.key] = node.reads

    def wanted(self, asked: Collection[str] | None) -> set[str]:
        """Keys of what was asked for by the name of its stage, and of all that this depends on; None asks for all."""
        found: set[str] = set()
        # Backwards, so that whoever reads a node has been seen before it.
        for node in reversed(self.nodes):
            if asked is None or node.stage in asked or node.key in found:
                found |= {node.key, *node.reads}
        return found

    def missing(self, asked: Collection[str] | None, is_there: Callable[[str], bool]) -> list[Node]:
        """What is wanted and will not be made, as it was not asked for, and is not there."""
        if asked is None:
            return []
        wanted = self.wanted(asked)
        return [
            node for node in self.nodes if node.key in wanted and node.stage not in asked and not is_there(node.key)
        ]
