"""The examples of docs/extending.md work as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ccps.data.benchmarks import BenchmarkSpec, load_questions

TEXT = (Path(__file__).parents[3] / "docs" / "extending.md").read_text(encoding="utf-8")


def blocks(language: Any) -> Any:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def example(name: str) -> Any:
    found = [block[name] for block in map(yaml.safe_load, blocks("yaml")) if name in block]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("name", "ending", "expected"),
    [
        (
            "my_questions",
            "csv",
            [
                ("rivers", "Which river runs through Cologne?", ("Elbe", "Rhine", "Main"), ("b",)),
                ("rivers", "Which is longer, Elbe or Main?", ("Elbe", "Main"), ("a",)),
            ],
        ),
        (
            "my_open_questions",
            "jsonl",
            [
                ("my_open_questions", "Which river runs through Cologne?", (), ("Rhine", "the Rhine")),
                ("my_open_questions", "How many legs has a spider?", (), ("8", "eight")),
            ],
        ),
    ],
)
def test_own_questions(tmp_path: Path, name: str, ending: str, expected: list[Any]) -> None:
    (table,) = blocks(ending)
    path = tmp_path / f"questions.{ending}"
    path.write_text(table, encoding="utf-8")
    questions = load_questions(BenchmarkSpec(**example(name) | {"location": str(path)})).questions
    assert [(q.subject, q.text, q.options, q.accepted) for q in questions] == expected


def test_every_file_that_the_table_names_exists() -> None:
    conf = Path(__file__).parents[3] / "conf" / "benchmark"
    section = TEXT.split("### From the hub")[1].split("\n#")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(
        file.stem for pattern in ("*_hub", "ct_*", "ccps_*", "mmlu_pro") for file in conf.glob(f"{pattern}.yaml")
    )
