"""Every part once, on a model of two small layers and invented questions."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ccps.core.errors import UserError
from experiments.bench import main
from experiments.benchmarks import (
    faithful_scoring,
    first_number,
    floors,
    fork,
    own_precision,
    processes,
    sizes,
    turns,
)
from experiments.benchmarks.bench import Bench, attempt
from experiments.benchmarks.page import ON_GPU, ORDER, read_sections
from experiments.benchmarks.settings import PARTS, to_bench
from experiments.benchmarks.size_parts import sizes_part

TINY = {
    "source": "random",
    "location": "llama",
    "dtype": "float32",
    "architecture": {
        "vocab_size": 300,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "initializer_range": 0.2,
    },
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(floors, "_SIDE", {"cpu": 16})
    monkeypatch.setattr(floors, "_COPIED", {"cpu": 2**12})
    monkeypatch.setitem(sizes.ROWS, "cpu", 2)
    for name, value in (("_PROBES", 3), ("_ALONE", 1), ("_ROWS", 40), ("_UPDATES", 2)):
        monkeypatch.setattr(f"experiments.benchmarks.sweep.{name}", value)
    monkeypatch.setattr(fork, "FULL", fork.QUICK)
    monkeypatch.setattr(turns, "FULL", turns.QUICK)
    monkeypatch.setattr(faithful_scoring, "FULL", faithful_scoring.QUICK)
    rows = [
        {"text": f"Which word is number {index}?", "a": "x", "b": "y", "answer": index % 2, "subject": "words"}
        for index in range(6)
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {
        "name": "words",
        "source": "file",
        "loader": "table",
        "location": str(tmp_path / "questions.jsonl"),
        "question": "text",
        "answer": "answer",
        "subject": "subject",
    }
    choice = spec | {"options": ["a", "b"]}
    return {
        "device": "cpu",
        "model": {"tiny": TINY},
        "sizes": {"tiny": TINY},
        "gpu_sizes": {"huge": TINY},
        "test": {"words": choice},
        "open_ended": {"words_oe": spec | {"answer": "a", "answer_kind": "text", "format": "oe"}},
        "questions": 4,
        "tokens": 4,
        "answers": 2,
        "repetitions": 1,
        "output": str(tmp_path / "page"),
        "reproduced": str(tmp_path / "none"),
    }


def test_every_part_writes_its_section(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise UserError("it may not run here")

    monkeypatch.setattr(processes, "measure_processes", refused)
    threads = torch.get_num_threads()
    main(settings | {"threads": threads})
    sections = {section.title: section for section in read_sections(tmp_path / "page" / "benchmarks.json")}
    assert list(sections) == [*ORDER[:3], "Sizes" + ON_GPU, *ORDER[3:]]
    not_measured = {title for title, section in sections.items() if not section.is_measured}
    # Of a random model's answers none keeps its tokens when its text is tokenised again.
    without = {"Sizes" + ON_GPU, "Processes", "Open-ended answers", "A whole experiment", own_precision.TITLE}
    # Six questions are too few to fit a scorer to, or to load a server with.
    assert not_measured == without | {"A scorer", first_number.TITLE, "Fitting a scorer", "Serving", "Soak"}
    (why,) = sections[own_precision.TITLE].figures
    assert why.reason == "a head in float32 on cpu (bfloat16 by: none) is computed in float32."
    assert {figure.reason for figure in sections["Sizes" + ON_GPU].figures} <= {
        "this machine has no GPU.",
        "no GPU was used.",
    }
    assert sections["Processes"].figures[0].reason == "it may not run here"
    storage = {(figure.what, figure.subject): figure for figure in sections["Storage"].figures}
    assert storage["Released pipeline over ours", "tiny"].target is None  # which is for real vocabularies
    assert storage["Released pipeline over ours", "Llama-3.1-8B, computed"].met is not None
    picture = tmp_path / "page" / sections["Cost against questions"].picture
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_quick_leaves_out_the_larger_sizes(settings: dict[str, Any]) -> None:
    config = to_bench(settings | {"quick": True, "sizes": {"a": TINY, "b": TINY, "c": TINY}})
    measured, storage = sizes_part(Bench(config, torch.device("cpu")))
    reasons = {figure.subject: figure.reason for figure in measured.figures}
    assert reasons == {"a": "", "b": "", "c": "left out by `quick=true`."}
    assert {figure.subject for figure in storage.figures if figure.value is None} == {"c"}


def test_parts_are_all_that_can_be_asked_for(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="unknown part `models`"):
        to_bench(settings | {"parts": ["models"]})
    assert to_bench(settings).parts == list(PARTS)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UserError("no such model"), "no such model"),
        (torch.OutOfMemoryError("…"), "it does not fit the memory of this GPU."),
    ],
)
def test_what_cannot_be_done_has_a_reason(error: Any, reason: str) -> None:
    def work() -> None:
        raise error

    assert attempt("sizes", "m", work, lambda said: said) == reason


def test_other_faults_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt("sizes", "m", lambda: 1 / 0, lambda said: said)
