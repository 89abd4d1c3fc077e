"""Traces that are written and read again."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.jsonl_writing import write_traces
from ccps.reasoning.trace import Trace


def test_compressed_or_not_the_same_traces_give_the_same_bytes(tmp_path: Path) -> None:
    traces = [Trace("a", "a", "∫ 🤔\n", ended=True), Trace("b", "a", "")]
    plain, packed = tmp_path / "t.jsonl", tmp_path / "t.jsonl.gz"
    assert write_traces(plain, traces) == write_traces(packed, traces) == 2
    before = packed.read_bytes()
    assert gzip.decompress(before) == plain.read_bytes()
    write_traces(packed, iter(traces))
    assert packed.read_bytes() == before
    assert [trace.text for trace in read_traces(packed).traces] == ["∫ 🤔\n", ""]


def test_no_trace_is_no_line(tmp_path: Path) -> None:
    assert write_traces(tmp_path / "t.jsonl", []) == 0
    assert (tmp_path / "t.jsonl").read_text() == ""


NAN = float("nan")
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


# All but the number that engines write for "none".
LOG = st.floats(min_value=-1e6, max_value=0.0, allow_nan=False, allow_infinity=False).filter(
    lambda value: value != -9999.0
)


@st.composite
def traces(draw: st.DrawFn, names: Sequence[str] = ("a", "b", "c")) -> list[Trace]:
    found = []
    for name in names:
        n, k = draw(st.integers(0, 4)), 3
        rows = draw(st.lists(st.lists(LOG, max_size=k), min_size=n, max_size=n))
        best = [sorted(row, reverse=True) + [NAN] * (k - len(row)) for row in rows]
        edges = sorted(draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)))
        has_ids = draw(st.booleans())
        found.append(
            Trace(
                id=name,
                question_id=draw(TEXT),
                text=draw(TEXT),
                ended=draw(st.sampled_from([True, False, None])),
                prompt_ids=draw(st.lists(st.integers(0, 2**31), max_size=3)),
                token_ids=draw(st.lists(st.integers(0, 2**31), min_size=n, max_size=n)) if has_ids else None,
                offsets=np.array([[edge, edge] for edge in edges], dtype=np.int64).reshape(-1, 2) if has_ids else None,
                top_log_probs=np.array(best, dtype=np.float64).reshape(-1, k) if draw(st.booleans()) else None,
                log_probs=np.array(draw(st.lists(st.one_of(LOG, st.just(NAN)), min_size=n, max_size=n)))
                if draw(st.booleans())
                else None,
                misaligned=draw(TEXT.filter(bool)),
                question=draw(TEXT),
                gold=tuple(draw(st.lists(TEXT, max_size=2))),
                prompt=draw(TEXT),
                correct=draw(st.sampled_from([True, False, None])),
            )
        )
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(traces())
def test_what_is_written_is_read_again_as_it_was(tmp_path: Path, given: list[Trace]) -> None:
    path = tmp_path / "t.jsonl"
    write_traces(path, given)
    for before, after in zip(given, read_traces(path, k=3).traces, strict=True):
        for name in vars(before):
            one, other = getattr(before, name), getattr(after, name)
            if name in ("offsets", "top_log_probs", "log_probs") and one is not None:
                np.testing.assert_array_equal(other, one)
            elif name == "prompt_ids":
                assert list(other) == list(one)
            else:
                assert other == one
