import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from measured import bound, value
from omegaconf import OmegaConf

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel, ModelConfig, Passage, final_states, find_model
from ccps.perturbation import FEATURE_NAMES, Head
from ccps.pipeline.model import SharedModel
from ccps.settings.perturbation import PerturbationConfig
from experiments.benchmarks.features import largest_difference, measure_features, random_states
from experiments.benchmarks.forward import Prompts, measure_forward, representative
from experiments.benchmarks.open_ended import answered, missing, states_by_the_paper
from experiments.benchmarks.reproduced import read_reproduced
from experiments.benchmarks.settings import to_bench
from experiments.benchmarks.sizes import random_passages
from experiments.benchmarks.stored import measure_stored, of_paper_model, released_bytes, write_answers
from experiments.benchmarks.sweep import measure_fitting, measure_sweep
from experiments.benchmarks.timing import Spread, ratios, spread, take_turns
from experiments.configs import CONF


def question(subject: Any, index: Any) -> Question:
    return Question(f"mmlu/{subject}/{index}", subject, f"text {index}", ("x", "y"), ("a",), "test", "mmlu")


class TestTiming:
    def test_spread_is_median_and_extremes(self) -> None:
        assert spread(x for x in (5.0, 1.0, 3.0, 2.0)) == Spread(2.5, 1.0, 5.0)

    def test_ratios_are_formed_within_each_repetition(self) -> None:
        # Medians of either column are 2 and 1; a machine that halves its speed half-way leaves the ratio alone.
        assert ratios([2.0, 2.0, 4.0], [1.0, 1.0, 2.0]) == Spread(2.0, 2.0, 2.0)
        assert ratios([1.0], [4.0], factor=100).median == 25.0

    def test_ways_take_turns_in_both_directions(self) -> None:
        done = []
        ticks = iter(range(100))
        seconds, results = take_turns(
            {"a": lambda: done.append("a"), "b": lambda: done.append("b") or len(done)},  # type: ignore[func-returns-value]
            3,
            "test",
            clock=lambda: float(next(ticks)),
        )
        assert done == ["a", "b", "b", "a", "a", "b"]
        assert seconds == {"a": [1.0] * 3, "b": [1.0] * 3}
        assert results == {"a": None, "b": 6}

    def test_what_is_done_before_each_way_is_not_timed(self) -> None:
        time = [0.0]

        def passes(seconds: Any) -> None:
            time[0] += seconds

        ways = {"a": lambda: passes(1), "b": lambda: passes(2)}
        seconds, _ = take_turns(ways, 2, "test", clock=lambda: time[0], before=lambda: passes(100))
        assert seconds == {"a": [1.0, 1.0], "b": [2.0, 2.0]}
        assert time[0] == 406


class TestPrompts:
    prompts = Prompts([[7, 7, i, *[0] * extra] for i, extra in enumerate([0, 9, 1, 8, 0, 1, 9, 8, 4])], 24)

    def test_tokens_computed_by_plain_batches_of_eight(self) -> None:
        assert self.prompts.plain == [list(range(8)), [8]]
        assert self.prompts.computed_plain == 8 * 12 + 7

    def test_tokens_computed_by_buckets_count_the_shared_prefix_once(self) -> None:
        # Beyond the two shared tokens, lengths are 1 10 2 9 1 2 10 9 5; no batch exceeds 24.
        assert self.prompts.shared == 2
        assert self.prompts.bucketed == [[0, 4, 2, 5], [8, 3], [7, 1], [6]]
        assert self.prompts.computed_bucketed == 2 + 4 * 2 + 2 * 9 + 2 * 10 + 10

    def test_sample_covers_subjects_and_keeps_dataset_order(self) -> None:
        questions = [question(subject, index) for subject in "zyx" for index in range(4)]
        chosen = representative(questions, 6)
        assert [q.subject for q in chosen] == ["z", "z", "y", "y", "x", "x"]
        assert [questions.index(q) for q in chosen] == sorted(questions.index(q) for q in chosen)
        assert len({q.subject for q in representative(questions, 2)}) == 2
        assert len(representative(questions, 1000)) == 12


class TestFeatures:
    def test_largest_difference_is_relative_and_takes_equal_infinities_as_equal(self) -> None:
        reference = torch.zeros(2, len(FEATURE_NAMES))
        reference[0, 13] = math.inf
        reference[1, 8] = 9.0
        features = reference.clone()
        assert largest_difference(features, reference).largest == 0
        features[1, 8] = 10.0
        found = largest_difference(features, reference)
        assert found[0] == pytest.approx(0.1)
        assert found[1] == FEATURE_NAMES[8]
        features[0, 13] = 20.0
        assert largest_difference(features, reference) == (math.inf, "epsilon_to_flip_token")

    def test_section_holds_both_ways_and_their_difference(self) -> None:
        states = random_states(2)._replace(head=Head(torch.randn(300, 576) / 8), token_ids=torch.tensor([3, 299]))
        section = measure_features(states, to_bench(settings()).perturbation, repetitions=1)
        figures = {figure.what: figure for figure in section.figures}
        assert value(figures["Largest difference between the two"]) < 5e-3
        ratio = figures["Features, times the paper's throughput"]
        assert ratio.target is None  # which is for one vocabulary
        assert ratio.value == pytest.approx(value(figures["Features"]) / value(figures["The paper's procedure"]))
        assert figures["Time of the features over the floor"].target is None


class TestStorage:
    def test_released_pipeline_needs_314_kb_for_8b_and_376_kb_for_32b(self) -> None:
        assert released_bytes(4096, 128_256) == 313_856
        assert released_bytes(5120, 152_064) == 375_808

    def test_answers_are_written_shard_by_shard_in_order(self, tmp_path: Path) -> None:
        answers = [[index] * (1 + index % 2) for index in range(130)]
        states = torch.arange(195 * 4, dtype=torch.bfloat16).reshape(195, 4)
        artifact = write_answers(tmp_path, answers, states)
        assert artifact.manifest["shards"] == 3
        assert artifact.rows()["answer_ids"].to_pylist() == answers
        assert torch.equal(torch.cat([artifact.tensors(i)["states"] for i in range(3)]), states)

    def test_bytes_of_states_and_rows_are_counted_per_token(
        self, tiny_config: Callable[..., ModelConfig], tiny_model: Callable[..., LanguageModel]
    ) -> None:
        model = SharedModel(find_model("tiny", tiny_config("llama")))
        passages = random_passages(tiny_model("llama"), 20, 5, 10)
        size = measure_stored(model, passages, PerturbationConfig(), torch.device("cpu"))
        assert 32 * 4 < size.state < 32 * 4 + 2  # float32, and a header
        assert 75 * 4 < size.row < 700

    def test_the_papers_model_is_computed_from_the_largest_row(self) -> None:
        figures = {figure.what: figure.value for figure in of_paper_model([380.0, 400.0])}
        assert figures["Released pipeline over ours"] == pytest.approx(313_856 / (8192 + 400))
        assert of_paper_model([])[0].value is None


class TestForward:
    def test_both_ways_choose_the_same_tokens_without_rounding(self, tiny_model: Callable[..., LanguageModel]) -> None:
        questions = [question(subject, index) for subject in "zyx" for index in range(20)]
        found = measure_forward(tiny_model("llama"), questions, 12, 1024, 2)
        figures = {figure.what: figure for figure in found}
        assert figures["Answers that are the same token in both ways"].value == 100  # float32
        assert figures["Our batches, times the plain speed"].low is not None


class TestOpenEnded:
    def test_the_papers_states_are_those_of_one_teacher_forced_pass(
        self, tiny_model: Callable[..., LanguageModel]
    ) -> None:
        lm = tiny_model("llama")
        prompt, answer = [5, 6, 7, 8], [9, 10, 11, 12, 13]
        ours = final_states(lm, [Passage(prompt, answer)])[0]
        torch.testing.assert_close(states_by_the_paper(lm, prompt, answer), ours, rtol=1e-4, atol=1e-4)

    def test_an_answer_that_changes_its_length_is_not_taken(self, tiny_model: Callable[..., LanguageModel]) -> None:
        """A random model writes bytes that are no text."""
        questions = [Question(str(index), "s", f"Who is {index}?", (), ("x",), "test", "s") for index in range(9)]
        with pytest.raises(UserError, match=r"30 tokens, 2 of them"):
            answered(tiny_model("llama"), questions, 2)

    def test_without_a_model_both_targets_are_named_with_the_reason(self) -> None:
        section = missing("m", "it is not there")
        assert [bound(figure) for figure in section.figures] == [80, 15]
        assert {figure.reason for figure in section.figures} == {"it is not there"}


class TestReproduced:
    def test_costs_are_summed_against_their_targets(self, tmp_path: Path) -> None:
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

    def test_without_a_run_the_figures_say_why_they_are_missing(self, tmp_path: Path) -> None:
        figures = read_reproduced(tmp_path / "none").figures
        assert [figure.value for figure in figures] == [None, None]
        assert all("make reproduce" in figure.reason for figure in figures)


def settings(**changes: Any) -> dict[str, Any]:
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
    def test_defaults_fill_what_is_left_out(self) -> None:
        config = to_bench(settings(questions=9))
        assert (config.questions, config.repetitions, config.model["tiny"].source) == (9, 5, "random")

    def test_all_faults_are_in_one_message(self) -> None:
        with pytest.raises(UserError) as caught:
            to_bench(settings(question=9, repetitions="many"))
        assert "did you mean `questions`?" in str(caught.value)
        assert "repetitions" in str(caught.value)
        with pytest.raises(UserError, match=r"`repetitions` to be from 1 to 1000000(?s:.*)exactly one benchmark"):
            to_bench(settings(repetitions=0, test={}))

    def test_a_gpu_is_chosen_where_there_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for there, chosen in ((True, "cuda"), (False, "cpu")):
            monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
            assert to_bench(settings()).chosen_device().type == chosen
            assert to_bench(settings(device="cpu")).chosen_device().type == "cpu"

    def test_a_gpu_that_is_not_there_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(UserError, match=r"`device` to be one that this machine has"):
            to_bench(settings(device="cuda"))
        with pytest.raises(UserError, match=r"one of auto, cpu, cuda, but got 'gpu'"):
            to_bench(settings(device="gpu"))

    def test_the_shipped_settings_fit(self) -> None:
        with initialize_config_dir(str(CONF), version_base=None):
            composed: Any = OmegaConf.to_container(compose("bench"), resolve=True)
        config = to_bench(composed)
        assert list(config.sizes) == ["tiny_random", "smollm2_135m", "qwen25_coder_1b5"]
        assert [model.source for model in config.gpu_sizes.values()] == ["random"] * 4


class TestSweep:
    def test_measures_the_sweep_at_every_number_of_threads(self) -> None:
        before = torch.get_num_threads()
        states = random_states(3)
        states = states._replace(head=Head(states.head.weight[:500]), token_ids=states.token_ids % 500)
        figures = measure_sweep("a head", states, PerturbationConfig(), repetitions=2, threads=(1, 2))
        assert torch.get_num_threads() == before
        over = [figure for figure in figures if figure.what == "Sweep over one extraction"]
        assert ["1 thread" in figure.subject for figure in over] == [True, False]
        assert all(value(figure) > 0 and bound(figure) == 3 for figure in over)
        assert value(figures[-1]) < 1e-4

    def test_compares_fits_probe_by_probe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, number in (("_PROBES", 4), ("_ALONE", 2), ("_ROWS", 40), ("_UPDATES", 2)):
            monkeypatch.setattr(f"experiments.benchmarks.sweep.{name}", number)
        together, alone, ratio = measure_fitting(1)
        assert ratio.value == pytest.approx(value(alone) / value(together))
