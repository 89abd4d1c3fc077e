import json
import math
from dataclasses import replace

import pytest
import torch

from ccps.data.records import Question
from ccps.errors import UserError
from ccps.llm import Passage, final_states
from ccps.perturbation import FEATURE_NAMES
from ccps.stages.config import PerturbationConfig
from experiments.benchmarks.features import largest_difference, measure_features, random_states
from experiments.benchmarks.forward import Prompts, representative
from experiments.benchmarks.model import measure_model, open_model
from experiments.benchmarks.open_ended import answered, missing, states_by_the_paper
from experiments.benchmarks.page import (
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
from experiments.benchmarks.reproduced import read_reproduced
from experiments.benchmarks.settings import to_bench
from experiments.benchmarks.stored import released_bytes, write_answers
from experiments.benchmarks.sweep import measure_fitting, measure_sweep
from experiments.benchmarks.timing import Spread, ratios, spread, take_turns

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


def question(subject, index):
    return Question(f"mmlu/{subject}/{index}", subject, f"text {index}", ("x", "y"), ("a",), "test", "mmlu")


MADE = Made("2026-01-31", "python -m experiments.bench", 5, MACHINE)


def section_of(*figures, title="Features"):
    return Section(title, "How.", list(figures), MADE)


class TestTiming:
    def test_spread_is_median_and_extremes(self):
        assert spread(x for x in (5.0, 1.0, 3.0, 2.0)) == Spread(2.5, 1.0, 5.0)

    def test_ratios_are_formed_within_each_repetition(self):
        # Medians of either column are 2 and 1; a machine that halves its speed half-way leaves the ratio alone.
        assert ratios([2.0, 2.0, 4.0], [1.0, 1.0, 2.0]) == Spread(2.0, 2.0, 2.0)
        assert ratios([1.0], [4.0], factor=100).median == 25.0

    def test_ways_take_turns_in_both_directions(self):
        done = []
        ticks = iter(range(100))
        seconds, results = take_turns(
            {"a": lambda: done.append("a"), "b": lambda: done.append("b") or len(done)},
            3,
            "test",
            clock=lambda: float(next(ticks)),
        )
        assert done == ["a", "b", "b", "a", "a", "b"]
        assert seconds == {"a": [1.0] * 3, "b": [1.0] * 3}
        assert results == {"a": None, "b": 6}


class TestPrompts:
    prompts = Prompts([[7, 7, i, *[0] * extra] for i, extra in enumerate([0, 9, 1, 8, 0, 1, 9, 8, 4])], 24)

    def test_tokens_computed_by_plain_batches_of_eight(self):
        assert self.prompts.plain == [list(range(8)), [8]]
        assert self.prompts.computed_plain == 8 * 12 + 7

    def test_tokens_computed_by_buckets_count_the_shared_prefix_once(self):
        # Beyond the two shared tokens, lengths are 1 10 2 9 1 2 10 9 5; no batch exceeds 24.
        assert self.prompts.shared == 2
        assert self.prompts.bucketed == [[0, 4, 2, 5], [8, 3], [7, 1], [6]]
        assert self.prompts.computed_bucketed == 2 + 4 * 2 + 2 * 9 + 2 * 10 + 10

    def test_sample_covers_subjects_and_keeps_dataset_order(self):
        questions = [question(subject, index) for subject in "zyx" for index in range(4)]
        chosen = representative(questions, 6)
        assert [q.subject for q in chosen] == ["z", "z", "y", "y", "x", "x"]
        assert [questions.index(q) for q in chosen] == sorted(questions.index(q) for q in chosen)
        assert len({q.subject for q in representative(questions, 2)}) == 2
        assert len(representative(questions, 1000)) == 12


class TestFeatures:
    def test_largest_difference_is_relative_and_takes_equal_infinities_as_equal(self):
        reference = torch.zeros(2, len(FEATURE_NAMES))
        reference[0, 13] = math.inf
        reference[1, 8] = 9.0
        features = reference.clone()
        assert largest_difference(features, reference).largest == 0
        features[1, 8] = 10.0
        assert largest_difference(features, reference) == (pytest.approx(0.1), FEATURE_NAMES[8])
        features[0, 13] = 20.0
        assert largest_difference(features, reference) == (math.inf, "epsilon_to_flip_token")

    def test_section_holds_both_ways_and_their_difference(self):
        states = random_states(2)._replace(weight=torch.randn(300, 576) / 8, token_ids=torch.tensor([3, 299]))
        section = measure_features(states, to_bench(settings()).perturbation, repetitions=1)
        figures = {figure.what: figure for figure in section.figures}
        assert figures["Largest difference between the two"].value < 5e-3
        ratio = figures["Features, times the paper's throughput"]
        assert ratio.target is None  # which is for one vocabulary
        assert ratio.value == pytest.approx(figures["Features"].value / figures["The paper's procedure"].value)


class TestStorage:
    def test_released_pipeline_needs_314_kb_for_8b_and_376_kb_for_32b(self):
        assert released_bytes(4096, 128_256) == 313_856
        assert released_bytes(5120, 152_064) == 375_808

    def test_answers_are_written_shard_by_shard_in_order(self, tmp_path):
        states = torch.arange(130 * 4, dtype=torch.bfloat16).reshape(130, 4)
        artifact = write_answers(tmp_path, [f"q{i}" for i in range(130)], torch.arange(130), states)
        assert artifact.manifest["shards"] == 3
        assert artifact.rows()["answer_ids"].to_pylist() == [[i] for i in range(130)]
        assert torch.equal(torch.cat([artifact.tensors(i)["states"] for i in range(3)]), states)


class TestModel:
    def test_a_model_of_two_small_layers_gets_all_figures(self):
        config = to_bench(settings(questions=12, repetitions=2))
        questions = [question(subject, index) for subject in "zyx" for index in range(200)]
        figures = measure_model(open_model("tiny", config), questions, config)
        forward = {figure.what: figure for figure in figures.forward}
        assert forward["Answers that are the same token in both ways"].value == 100  # float32: no rounding apart
        assert forward["Our batches, times the plain speed"].low is not None
        extraction = {figure.what: figure for figure in figures.extraction}
        assert extraction["Extraction over our forward pass"].target is None  # which is for large models
        storage = {figure.what: figure for figure in figures.storage}
        assert 32 * 4 < storage["State"].value < 32 * 4 + 2  # float32, and a header per shard
        assert 200 < storage["Feature row"].value < 700
        assert storage["Released pipeline, (7·d + V)·2"].value == (7 * 32 + 300) * 2


class TestOpenEnded:
    def test_the_papers_states_are_those_of_one_teacher_forced_pass(self, tiny_model):
        lm = tiny_model("llama")
        prompt, answer = [5, 6, 7, 8], [9, 10, 11, 12, 13]
        ours = final_states(lm, [Passage(prompt, answer)])[0]
        torch.testing.assert_close(states_by_the_paper(lm, prompt, answer), ours, rtol=1e-4, atol=1e-4)

    def test_an_answer_that_changes_its_length_is_not_taken(self, tiny_model):
        """A random model writes bytes that are no text."""
        questions = [Question(str(index), "s", f"Who is {index}?", (), ("x",), "test", "s") for index in range(9)]
        with pytest.raises(UserError, match=r"30 tokens, 2 of them"):
            answered(tiny_model("llama"), questions, 2)

    def test_without_a_model_both_targets_are_named_with_the_reason(self):
        section = missing("m", "it is not there")
        assert [figure.target.bound for figure in section.figures] == [80, 15]
        assert {figure.reason for figure in section.figures} == {"it is not there"}


class TestReproduced:
    def test_costs_are_summed_against_their_targets(self, tmp_path):
        (tmp_path / "costs.csv").write_text(
            f"stage,seconds,tokens,bytes,peak_memory\nanswer,600,1,1,{2**33}\nfit,900,0,1,{2**32}\n"
        )
        run = {
            "config": {"model": {"m": {}}, "sampling": {"train_total": 600, "test_per_subject": None}},
            "machine": {"processor": "P", "threads": 2},
            "commit": "abc",
        }
        (tmp_path / "run.json").write_text(json.dumps(run))
        section = read_reproduced(tmp_path)
        figures = {figure.what: figure for figure in section.figures}
        assert figures["Stage `fit`"].value == 900
        assert (figures["All stages together"].value, figures["All stages together"].met) == (25.0, False)
        assert (figures["Peak memory"].value, figures["Peak memory"].met) == (8.0, True)
        assert "not measured here" in section.text
        assert "600 training questions, all test questions per subject" in section.text

    def test_without_a_run_the_figures_say_why_they_are_missing(self, tmp_path):
        figures = read_reproduced(tmp_path / "none").figures
        assert [figure.value for figure in figures] == [None, None]
        assert all("make reproduce" in figure.reason for figure in figures)


class TestPage:
    def test_targets_are_bounds_that_may_be_touched(self):
        assert Target("≥", 25).met_by(25)
        assert not Target("≥", 25).met_by(24.9)
        assert Target("≤", 5).met_by(5)
        assert Figure("x", "y", 3.0, "×").met is None

    def test_numbers_have_three_digits(self):
        assert [number(x) for x in (12345.6, 123.4, 1.234, 0.5, 0.01234, 0.0000123, 0)] == [
            "12,346", "123", "1.23", "0.500", "0.0123", "1.2e-05", "0",
        ]  # fmt: skip

    def test_page_shows_range_target_and_what_is_missing(self):
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

    def test_json_holds_the_same_figures(self, tmp_path):
        write_page([section_of(Figure.of("Speed", "a", Spread(30.0, 20.0, 40.0), "×", TARGET))], MADE, tmp_path)
        content = json.loads((tmp_path / "benchmarks.json").read_text())
        figure = content["sections"][0]["figures"][0]
        assert (figure["value"], figure["low"], figure["high"]) == (30.0, 20.0, 40.0)
        assert (figure["target"], figure["met"]) == ("≥ 25", True)
        assert (tmp_path / "benchmarks.md").read_text().startswith("# Benchmarks\n")

    def test_a_part_that_is_not_measured_stays_as_it_is(self, tmp_path):
        old = [section_of(Figure("Speed", "a", 1.0, "×", target=TARGET), title=title) for title in ORDER[:3]]
        write_page(old, MADE, tmp_path)
        later = replace(MADE, date="2026-02-28")
        write_page([section_of(Figure.missing("Speed", "b", "why"), title=ORDER[1])], later, tmp_path)
        kept = read_sections(tmp_path / "benchmarks.json")
        assert [section.title for section in kept] == list(ORDER[:3])
        assert (kept[0], kept[2]) == (old[0], old[2])
        assert kept[1].made == later
        assert kept[1].figures == [Figure.missing("Speed", "b", "why")]
        assert (tmp_path / "benchmarks.md").read_text().count("2026-01-31") == 2

    def test_command_can_be_pasted_into_a_shell(self):
        arguments = ["++quick=true", "model=[a,b]", "++output=/tmp/a b"]
        assert shell_command(arguments) == "python -m experiments.bench quick=true 'model=[a,b]' 'output=/tmp/a b'"


def settings(**changes):
    architecture = {
        "vocab_size": 300,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "initializer_range": 0.2,
    }
    model = {"tiny": {"source": "random", "location": "llama", "dtype": "float32", "architecture": architecture}}
    columns = {"question": "q", "options": ["choices"], "answer": "a"}
    test = {"mmlu": {"name": "mmlu", "source": "folder", "location": "somewhere", "member": "*.jsonl", **columns}}
    return {"model": model, "test": test, "open_ended": test, **changes}


class TestSettings:
    def test_defaults_fill_what_is_left_out(self):
        config = to_bench(settings(questions=9))
        assert (config.questions, config.repetitions, config.model["tiny"].source) == (9, 5, "random")

    def test_all_faults_are_in_one_message(self):
        with pytest.raises(UserError) as caught:
            to_bench(settings(question=9, repetitions="many"))
        assert "did you mean `questions`?" in str(caught.value)
        assert "repetitions" in str(caught.value)
        with pytest.raises(UserError, match=r"`repetitions` to be above 0(?s:.*)exactly one benchmark"):
            to_bench(settings(repetitions=0, test={}))


class TestSweep:
    def test_measures_the_sweep_at_every_number_of_threads(self):
        before = torch.get_num_threads()
        states = random_states(3)
        states = states._replace(weight=states.weight[:500], token_ids=states.token_ids % 500)
        figures = measure_sweep("a head", states, PerturbationConfig(), repetitions=2, threads=(1, 2))
        assert torch.get_num_threads() == before
        over = [figure for figure in figures if figure.what == "Sweep over one extraction"]
        assert ["1 thread" in figure.subject for figure in over] == [True, False]
        assert all(figure.value > 0 and figure.target.bound == 3 for figure in over)
        assert figures[-1].value < 1e-4

    def test_compares_fits_probe_by_probe(self, monkeypatch):
        for name, value in (("_PROBES", 4), ("_ALONE", 2), ("_ROWS", 40), ("_UPDATES", 2)):
            monkeypatch.setattr(f"experiments.benchmarks.sweep.{name}", value)
        together, alone, ratio = measure_fitting(1)
        assert ratio.value == pytest.approx(alone.value / together.value)
