"""What shards have cost: lines of JSON in a file of each process, and at last one account of all with its hash."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ccps.core.keys import SUM, digest

ACCOUNT = "costs.0.jsonl"
SEALED = "costs_sealed"
"""Says in a manifest that the account ends with its hash; that of earlier versions does not."""


def cost_files(folder: Path) -> list[Path]:
    """Every file of costs of an artifact."""
    return sorted(folder.glob("costs*.jsonl"))


def note_cost(file: Path, line: Mapping[str, Any]) -> None:
    """Add a line to the costs of a process."""
    with file.open("a") as costs:
        # A line of its own even after one that a killed process tore.
        costs.write("\n" + json.dumps(line))


def whole_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of costs but those that a killed process tore."""
    lines: list[dict[str, Any]] = []
    for text in file.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def in_lines(values: Iterable[Mapping[str, Any]]) -> str:
    """The text of a file of costs."""
    return "".join("\n" + json.dumps(value) for value in values)


def noted_costs(folder: Path) -> list[dict[str, Any]]:
    """What each shard cost, in the order in which each process wrote them; of one made twice, what it cost once."""
    return _one_for_each_shard(_all_lines(folder))


def sealed(costs: list[dict[str, Any]]) -> str:
    """The account of all that shards have cost."""
    return in_lines([*costs, _seal(costs)])


def sealed_costs(folder: Path) -> list[dict[str, Any]] | None:
    """What stands in the account of an artifact; None where it is not what was written."""
    account = folder / ACCOUNT
    # The account is whole in its file; that of earlier versions had one part in the file of each process.
    for lines in (whole_lines(account) if account.exists() else [], _all_lines(folder)):
        costs = _one_for_each_shard(lines)
        if _seal(costs) in lines:
            return costs
    return None


def _all_lines(folder: Path) -> list[dict[str, Any]]:
    return [line for file in cost_files(folder) for line in whole_lines(file)]


def _seal(costs: list[dict[str, Any]]) -> dict[str, Any]:
    return {SUM: digest(json.dumps(costs))}


def _one_for_each_shard(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first line of costs of each shard: a shard may have been made twice, and stands there once."""
    found: dict[Any, dict[str, Any]] = {}
    for line in lines:
        if "shard" in line:
            found.setdefault(line["shard"], line)
    return list(found.values())
