"""The rows of a plan, taken together as they are to be told."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ccps.core.text import DASH, byte_size, count, decimal, duration, signed_points

FOUND, BEGUN, MISSING = "found", "begun", "to be made"


@dataclass(frozen=True)
class Row:
    """What one stage takes, or several taken together.

    Attributes:
        model: key of the model; empty where it is about several.
        benchmark: what is asked or trained on; empty likewise.
        stage: name of the stage.
        states: how many artifacts are `FOUND`, `BEGUN` or `MISSING`.
        tokens: that are read, written, or whose features are taken.
        seconds: of what is not found yet.
        disk: bytes of all.
        memory: bytes of the one that holds most.
        is_predicted: whether any of the seconds come of a share of the peak that was not measured.
        is_measured: whether any of them come of one that was.
        unknown: how many nobody knows the seconds of.
        assumed: what was assumed, in words.
        whole: seconds of all, were none of it there.
        took: seconds that were noted when what is found was made; None where nothing is found.
    """

    model: str
    benchmark: str
    stage: str
    states: Counter[str]
    tokens: float
    seconds: float
    disk: float
    memory: float
    is_predicted: bool = False
    is_measured: bool = False
    unknown: int = 0
    assumed: tuple[str, ...] = ()
    whole: float = 0.0
    took: float | None = None

    def joined(self, other: "Row") -> "Row":
        """Both as one; what they do not have in common is left empty."""
        return Row(
            self.model if self.model == other.model else "",
            self.benchmark if self.benchmark == other.benchmark else "",
            self.stage if self.stage == other.stage else "",
            self.states + other.states,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.disk + other.disk,
            max(self.memory, other.memory),
            self.is_predicted or other.is_predicted,
            self.is_measured or other.is_measured,
            self.unknown + other.unknown,
            tuple(dict.fromkeys([*self.assumed, *other.assumed])),
            self.whole + other.whole,
            None if self.took is None or other.took is None else self.took + other.took,
        )

    @property
    def hours(self) -> float:
        """Of what is not found yet."""
        return self.seconds / 3600

    @property
    def state(self) -> str:
        """The states of all, in words."""
        names = [(name, number) for name, number in self.states.items() if number]
        return names[0][0] if len(names) == 1 else ", ".join(f"{number} {name}" for name, number in names)

    @property
    def basis(self) -> str:
        """What the seconds rest on."""
        if self.unknown == self.states.total():
            return "not known"
        words = ["predicted"] if self.is_predicted else ["measured"] if self.is_measured else ["by rates"]
        words += ["assumed"] if self.assumed else []
        words += [f"{self.unknown} not known"] if self.unknown else []
        return ", ".join(words)


@dataclass(frozen=True)
class Plan:
    """All that a job takes.

    Attributes:
        rows: stage by stage, in the order in which they would run.
        device: what it was planned for, in words.
        processes: that share the work.
        nodes: on so many machines.
        price_per_hour: of a node; None where there is none.
        notes: what a reader must know.
    """

    rows: Sequence[Row]
    device: str
    processes: int = 1
    nodes: int = 1
    price_per_hour: float | None = None
    notes: Sequence[str] = ()

    @property
    def total(self) -> Row:
        """Everything as one row."""
        return total(self.rows)

    def money(self, row: Row) -> float | None:
        """What the hours of a row cost."""
        return None if self.price_per_hour is None else row.hours * self.price_per_hour * self.nodes

    def grouped(self, by: Sequence[str]) -> list[Row]:
        """Rows that agree in some columns as one, in the order of the first of each."""
        groups: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            key = tuple(getattr(row, name) for name in by)
            groups[key] = groups[key].joined(row) if key in groups else row
        return list(groups.values())

    def data(self, by: Sequence[str]) -> dict[str, Any]:
        """For machines: JSON-like values."""
        rows = [self._values(row) for row in self.grouped(by)]
        whole = self._values(self.total)
        return {
            "device": self.device,
            "processes": self.processes,
            "nodes": self.nodes,
            "price_per_hour": self.price_per_hour,
            "rows": rows,
            "total": whole,
            "notes": list(self.notes),
        }

    def _values(self, row: Row) -> dict[str, Any]:
        return {
            "model": row.model,
            "benchmark": row.benchmark,
            "stage": row.stage,
            **{state.replace(" ", "_"): row.states[state] for state in (FOUND, BEGUN, MISSING)},
            "tokens": round(row.tokens),
            "hours": row.hours,
            "peak_memory_bytes": round(row.memory),
            "disk_bytes": round(row.disk),
            **({} if self.price_per_hour is None else {"money": self.money(row)}),
            "basis": row.basis,
            "assumed": list(row.assumed),
        }

    def head(self, by: Sequence[str]) -> list[str]:
        """Names of the columns of `cells`."""
        money = [] if self.price_per_hour is None else ["money"]
        return [*by, "state", "tokens", "time", "memory", "disk", *money, "basis"]

    def cells(self, by: Sequence[str]) -> list[list[str]]:
        """The rows as they are printed, the sum last."""
        rows = [self._cells(row, [getattr(row, name) for name in by]) for row in self.grouped(by)]
        return [*rows, self._cells(self.total, ["all", *[""] * (len(by) - 1)])]

    def compared(self, by: Sequence[str]) -> list[list[str]]:
        """What is found: the seconds that would have been planned, those it took, and how far these are apart."""
        there = [row for row in self.rows if row.took is not None and not row.unknown]
        rows = [*replace(self, rows=there).grouped(by), *([total(there)] if there else [])]
        return [
            [
                *([getattr(row, name) for name in by] if row is not rows[-1] else ["all", *[""] * (len(by) - 1)]),
                duration(row.whole),
                duration(row.took or 0.0),
                _apart(row.whole, row.took or 0.0),
            ]
            for row in rows
        ]

    def _cells(self, row: Row, names: Sequence[str]) -> list[str]:
        money = self.money(row)
        known = row.unknown < row.states.total()
        return [
            *names,
            row.state,
            count(row.tokens) if row.tokens else "",
            duration(row.seconds) if known else "",
            byte_size(row.memory) if row.memory else "",
            byte_size(row.disk) if row.disk else "",
            *([] if money is None else [decimal(money, 2) if known else ""]),
            row.basis,
        ]


def _apart(planned: float, took: float) -> str:
    """How far a plan was above (+) or below what it took, in percent."""
    return f"{signed_points(planned / took - 1)} %" if took else DASH


def total(rows: Iterable[Row]) -> Row:
    """Rows as one; an empty one of none."""
    found: Row | None = None
    for row in rows:
        found = row if found is None else found.joined(row)
    return found or Row("", "", "", Counter(), 0, 0, 0, 0)
