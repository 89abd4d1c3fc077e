"""What comes in becomes a well-formed record or is refused: nothing else is raised, nothing runs, texts stay."""

import csv
import io
import json
import math
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bad_inputs.data import ROW, SPEC
from bad_inputs.settings import CHECKS, base
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.core.visible import seen
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.grading.question import read_reply
from ccps.llm import ModelConfig, find_model, load_model
from ccps.reasoning.decisiveness.llm_judge import read_ratings
from ccps.reasoning.jsonl import read_traces
from ccps.reasoning.judges.yes_no import read_verdict

# The same examples each time: what they find can be mended by whoever sees it.
FEW = settings(max_examples=60, deadline=None, derandomize=True)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)


def written(name: str, content: bytes, read: Callable[[Path], Any]) -> Any:
    """What is read of a file; None if it is refused."""
    with TemporaryDirectory() as folder, suppress(UserError):
        path = Path(folder, name)
        path.write_bytes(content)
        return read(path)
    return None


def questions(path: Path, **changes: Any) -> list[Question]:
    return load_questions(BenchmarkSpec(**{**SPEC, "location": str(path), **changes})).questions


def assert_well_formed(question: Question) -> None:
    assert isinstance(question.text, str)
    assert question.text.strip()
    assert len(question.options) >= 2
    assert all(isinstance(option, str) for option in question.options)
    assert set(question.accepted) <= set(question.letters)
    question.text.encode()


def assert_fits_or_is_refused(check: Callable[[dict[str, Any]], object], changed: dict[str, Any]) -> None:
    try:
        assert check(changed) is None
    except UserError as error:
        assert "Expected" in str(error) or "expected" in str(error) or "unknown" in str(error)  # noqa: PT017


@FEW
@given(row=st.dictionaries(st.sampled_from(["question", "a", "b", "answer", "x"]), VALUES), right=st.booleans())
def test_lines_of_questions(row: dict[str, Any], right: bool) -> None:
    content = json.dumps({**ROW, **row} if right else row).encode() + b"\n"
    for question in written("own.jsonl", content, questions) or []:
        assert_well_formed(question)


@FEW
@given(content=st.binary(max_size=80), name=st.sampled_from(["own.jsonl", "own.csv", "own.tsv", "own.parquet"]))
def test_bytes_that_are_no_questions(content: bytes, name: str) -> None:
    for question in written(name, content, questions) or []:
        assert_well_formed(question)


@FEW
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_parquet_with_a_flipped_bit(place: float, bit: int) -> None:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([ROW] * 5), file)
    content = bytearray(file.getvalue())
    content[int(place * len(content))] ^= 1 << bit
    for question in written("own.parquet", bytes(content), questions) or []:
        assert_well_formed(question)


@FEW
@given(
    text=TEXTS.filter(seen),
    options=st.lists(TEXTS.filter(seen), min_size=2, max_size=2, unique_by=lambda text: seen(text).casefold()),
)
def test_a_text_goes_in_and_comes_out_by_all_loaders(text: str, options: list[str]) -> None:
    row = {"question": text, "a": options[0], "b": options[1], "answer": 1}
    table, lines = io.BytesIO(), io.StringIO(newline="")
    pq.write_table(pa.Table.from_pylist([row]), table)
    writer = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([row.keys(), row.values()])
    files = {
        "own.jsonl": json.dumps(row).encode() + b"\n",
        "own.parquet": table.getvalue(),
        "own.csv": lines.getvalue().encode(),
    }
    found = {
        name: written(name, content, lambda path: questions(path, delimiter="comma", encoding="utf-8", printed="keep"))
        for name, content in files.items()
    }
    for name, read in found.items():
        if read is not None:  # CSV has no way of writing NUL
            [question] = read
            assert (question.text, list(question.options), len(question.accepted)) == (text, options, 1), name
    assert found["own.jsonl"] is not None
    assert found["own.parquet"] is not None


@FEW
@given(
    row=st.dictionaries(
        st.sampled_from(["id", "text", "gold", "correct", "ended", "token_ids", "offsets", "logprobs", "top_logprobs"]),
        VALUES | st.lists(st.integers(-2, 9)) | st.lists(st.lists(st.floats(-5, 1), max_size=2), max_size=3),
    )
)
def test_lines_of_traces(row: dict[str, Any]) -> None:
    content = json.dumps({"text": "a b", **row}).encode() + b"\n"

    def read(path: Path) -> list[Any]:
        return list(read_traces(path).traces)

    for trace in written("traces.jsonl", content, read) or []:
        assert isinstance(trace.text, str)
        assert "text" not in row or trace.text == row["text"]
        assert trace.correct in (True, False, None)
        if trace.log_probs is not None:
            assert not (np.asarray(trace.log_probs) > 0).any()


@FEW
@given(content=st.binary(max_size=80))
def test_bytes_that_are_no_traces(content: bytes) -> None:
    assert written("traces.jsonl", content, lambda path: list(read_traces(path).traces)) is None


@FEW
@given(
    reply=st.text(max_size=60) | VALUES.map(json.dumps) | st.sampled_from(["9" * 5000, "[" * 5000, "[1e999]", "yes"])
)
def test_replies_of_a_judge(reply: str) -> None:
    assert read_reply(reply) in (True, False, None)
    assert math.isnan(value := read_verdict(reply, "strict").inconsistency) or 0 <= value <= 1
    for mode in ("strict", "parity"):
        ratings = read_ratings(reply, 2, mode=mode)
        if ratings is not None:
            assert len(ratings) == 2
            assert all(math.isnan(one) or 0 <= one <= 1 for one in ratings)


@FEW
@given(
    start=st.sampled_from([b"", b"GGUF", b"GGUF\x03\x00\x00\x00", b"GGUF\x03\x00\x00\x00" + bytes(8)]),
    rest=st.binary(max_size=64),
)
def test_headers_of_gguf(start: bytes, rest: bytes) -> None:
    def read(path: Path) -> object:
        return load_model(find_model("own", ModelConfig("gguf", str(path))), "cpu")

    assert written("own.gguf", start + rest, read) is None


PLACES = [
    ("config", "perturbation", "radius"),
    ("config", "evaluation", "level"),
    ("config", "answering", "max_batch_tokens"),
    ("config", "sampling", "per_subject"),
    ("config", "trainer", "threads"),
    ("sweep", "sweep", "mc"),
    ("faithful", "faithful", "estimators"),
    ("faithful", "faithful", "files"),
    ("bench", "parts", ""),
]


@FEW
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_settings(place: tuple[str, str, str], value: Any) -> None:
    entry, group, name = place
    changed = deepcopy(base(entry))
    if name:
        changed[group][name] = value
    else:
        changed[group] = value
    assert_fits_or_is_refused(CHECKS[entry], changed)
