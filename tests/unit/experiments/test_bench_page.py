import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import bench
from experiments.benchmarks.page import (
    ON_GPU,
    ORDER,
    Figure,
    Made,
    Section,
    Target,
    number,
    read_sections,
    render,
    shell_command,
    write_page,
)
from experiments.benchmarks.settings import BenchConfig
from experiments.benchmarks.timing import Spread

MACHINE = {
    "processor": "A processor",
    "cores": 2,
    "threads": 2,
    "memory_gib": 8.0,
    "system": "Linux",
    "load_before": 0.25,
    "python": "3.11",
    "torch": "2.0",
    "transformers": "5.0",
    "commit": None,
}


TARGET = Target("≥", 25)


MADE = Made("2026-01-31", "python -m experiments.bench", 5, MACHINE)


def section_of(*figures: Any, title: str = "Features") -> Section:
    return Section(title, "How.", list(figures), MADE)


class TestPage:
    def test_targets_are_bounds_that_may_be_touched(self) -> None:
        assert Target("≥", 25).met_by(25)
        assert not Target("≥", 25).met_by(24.9)
        assert Target("≤", 5).met_by(5)
        assert Figure("x", "y", 3.0, "×").met is None

    def test_numbers_have_three_digits(self) -> None:
        assert [number(x) for x in (12345.6, 123.4, 1.234, 0.5, 0.01234, 0.0000123, 0)] == [
            "12,346", "123", "1.23", "0.500", "0.0123", "1.2e-05", "0",
        ]  # fmt: skip

    def test_page_shows_range_target_and_what_is_missing(self) -> None:
        text = render(
            [
                section_of(
                    Figure.of("Speed", "a | b", Spread(30.0, 20.0, 40.0), "×", Target("≥", 25)),
                    Figure("Share", "b", 6.0, "%", target=Target("≤", 5)),
                    Figure.missing("Size", "c", "it was not there.", Target("≥", 30)),
                )
            ]
        )
        assert "| Speed | a \\| b | 30.0 × | 20.0 – 40.0 | ≥ 25 | met |" in text
        assert "| Share | b | 6.00 % |  | ≤ 5 | **not met** |" in text
        assert "| Size | c | not measured |  | ≥ 30 |  |" in text
        assert "- Size, c: it was not there." in text
        assert "A processor (2 cores, 2 threads used" in text
        assert "2026-01-31" in text

    def test_json_holds_the_same_figures(self, tmp_path: Path) -> None:
        write_page([section_of(Figure.of("Speed", "a", Spread(30.0, 20.0, 40.0), "×", TARGET))], MADE, tmp_path)
        content = json.loads((tmp_path / "benchmarks.json").read_text())
        figure = content["sections"][0]["figures"][0]
        assert (figure["value"], figure["low"], figure["high"]) == (30.0, 20.0, 40.0)
        assert (figure["target"], figure["met"]) == ("≥ 25", True)
        assert (tmp_path / "benchmarks.md").read_text().startswith("# Benchmarks\n")

    def test_a_part_that_is_not_measured_stays_as_it_is(self, tmp_path: Path) -> None:
        old = [section_of(Figure("Speed", "a", 1.0, "×", target=TARGET), title=title) for title in ORDER[:3]]
        write_page(old, MADE, tmp_path)
        later = replace(MADE, date="2026-02-28")
        write_page([section_of(Figure("Speed", "b", 2.0, "×"), title=ORDER[1])], later, tmp_path)
        kept = read_sections(tmp_path / "benchmarks.json")
        assert [section.title for section in kept] == list(ORDER[:3])
        assert (kept[0], kept[2]) == (old[0], old[2])
        assert kept[1].made == later
        assert kept[1].figures == [Figure("Speed", "b", 2.0, "×")]
        assert (tmp_path / "benchmarks.md").read_text().count("2026-01-31") == 2

    def test_what_cannot_be_measured_now_takes_no_figure_away(self, tmp_path: Path) -> None:
        measured, none = section_of(Figure("Speed", "a", 1.0, "×")), section_of(Figure.missing("Speed", "a", "no GPU"))
        for sections, kept in (([none], none), ([measured], measured), ([none], measured)):
            write_page(sections, MADE, tmp_path)
            assert read_sections(tmp_path / "benchmarks.json") == [kept]

    def test_what_is_not_measured_names_no_machine(self) -> None:
        assert "A processor" in render([section_of(Figure("Speed", "a", 1.0, "×"))])
        assert "A processor" not in render([section_of(Figure.missing("Speed", "a", "no GPU"))])

    def test_a_gpu_stands_beside_the_cpu_under_its_name(self, tmp_path: Path) -> None:
        write_page([section_of(Figure("Speed", "a", 1.0, "×"), title=ORDER[1])], MADE, tmp_path)
        gpu = replace(MADE, machine=MACHINE | {"gpu": "A GPU", "gpu_memory_gib": 131.5})
        titles = [ORDER[1] + ON_GPU, ORDER[0] + ON_GPU]
        write_page([section_of(Figure("Speed", "a", 9.0, "×"), title=title) for title in titles], gpu, tmp_path)
        page = (tmp_path / "benchmarks.md").read_text()
        assert [section.title for section in read_sections(tmp_path / "benchmarks.json")] == [
            ORDER[0] + ON_GPU, ORDER[1], ORDER[1] + ON_GPU,
        ]  # fmt: skip
        assert page.count("with A GPU (131.5 GiB), Python") == 2

    def test_a_section_that_is_no_longer_measured_leaves_the_page(self, tmp_path: Path) -> None:
        write_page([section_of(Figure("Speed", "a", 1.0, "×"))], MADE, tmp_path)
        record = tmp_path / "benchmarks.json"
        record.write_text(record.read_text().replace('"title": "Features"', '"title": "Extraction"'))
        assert read_sections(record) == []

    def test_a_picture_is_shown_and_kept(self, tmp_path: Path) -> None:
        drawn = replace(section_of(Figure("Speed", "a", 1.0, "×")), picture="benchmarks/scale.png")
        write_page([drawn], MADE, tmp_path)
        assert "![Features](benchmarks/scale.png)" in (tmp_path / "benchmarks.md").read_text()
        assert read_sections(tmp_path / "benchmarks.json") == [drawn]

    def test_command_can_be_pasted_into_a_shell(self) -> None:
        arguments = ["++quick=true", "model=[a,b]", "++output=/tmp/a b"]
        assert shell_command(arguments) == "python -m experiments.bench quick=true 'model=[a,b]' 'output=/tmp/a b'"


class TestStopped:
    def test_a_page_that_is_being_written_is_the_old_one_until_it_is_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_page([section_of(Figure("x", "y", 3.0, "×"))], MADE, tmp_path)
        before = {path: path.read_bytes() for path in (tmp_path / "benchmarks.md", tmp_path / "benchmarks.json")}
        write = Path.write_text

        def half(self: Path, data: str, **options: Any) -> int:
            write(self, data[: len(data) // 2], **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "write_text", half)
        with pytest.raises(KeyboardInterrupt):
            write_page([section_of(Figure("x", "y", 4.0, "×"))], MADE, tmp_path)
        assert {path: path.read_bytes() for path in before} == before

    def test_parts_that_are_done_stay(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def stopped(config: BenchConfig) -> Iterator[list[Section]]:
            yield [section_of(Figure("x", "y", 3.0, "×"))]
            raise KeyboardInterrupt

        random = {"tiny": {"source": "random", "location": "llama", "dtype": "float32", "architecture": {}}}
        columns = {"question": "q", "options": ["o"], "answer": "a"}
        asked = {"own": {"name": "own", "source": "file", "location": "own.jsonl", **columns}}
        settings = {"model": random, "test": asked, "open_ended": asked, "output": str(tmp_path / "page")}
        monkeypatch.setattr("experiments.benchmarks.sections.measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            bench.main({**settings, "threads": torch.get_num_threads()})
        assert "| x | y | 3.00 × |" in (tmp_path / "page" / "benchmarks.md").read_text()
