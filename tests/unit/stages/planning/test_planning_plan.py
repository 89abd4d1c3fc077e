"""Plans of the three jobs on toys, held against what the jobs then do."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tiny import Tiny, write_questions
from tiny_faithful import TinyFaithful, write_sums

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.estimators.base import ESTIMATORS
from ccps.needs.base import NEEDS
from ccps.pipeline.stage import Stage
from ccps.plan.device import Device
from ccps.plan.table import FOUND, MISSING, Plan
from ccps.settings.experiment import STAGES
from ccps.settings.plan import DeviceConfig, PlanConfig
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.main.checks import to_config
from ccps.stages.planning.plan import Planning, plan_experiment, plan_faithful, plan_sweep
from ccps.stages.planning.subject import NO_SIZES, SIZES_AS_NAMED
from ccps.stages.planning.taken import Known, Taken, taken
from ccps.stages.sweep.checks import to_sweep
from experiments.configs import CONF
from experiments.launch import checked_overrides
from experiments.planning import known_shapes, plan_config

PEAK = {"bfloat16": 1e12, "float16": 1e12, "float32": 1e12}
EVERY = "method=[ccps,ct,litcab,verbalised,self_consistency,option_radius,permuted_options,saplma_f,entropy]"


def planning(**settings: Any) -> Planning:
    device = Device("a", DeviceConfig("a device", "cuda", [], PEAK, 1e12, 1e11, 0.0, {}, "a test"))
    config = plan_config([f"plan.{name}={value}" for name, value in settings.items()])
    return Planning(config, device, known_shapes() | config.shapes)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    for name, n in (("trees", 12), ("boats", 9)):
        write_questions(tmp_path / f"{name}.jsonl", n, seed=n)
    return Tiny(tmp_path, tmp_path)


def of(tiny: Tiny, *more: str, **settings: Any) -> Plan:
    plain = tiny.settings(*more)
    return plan_experiment(to_config(plain, here=False), plain, planning(**settings))


def swept(tiny: Tiny) -> Plan:
    overrides = [text for text in tiny.overrides() if not text.startswith(("method=", "state_probe"))]
    checked = checked_overrides([*overrides, "sweep=smoke"], "sweep", to_sweep)
    with initialize_config_dir(str(CONF), version_base=None):
        plain: Any = OmegaConf.to_container(compose("sweep", overrides=checked), resolve=True)
    return plan_sweep(to_sweep(plain, here=False), plain, planning())


def reasoned(folder: Path, *more: str) -> Plan:
    plain = TinyFaithful(folder, write_sums(folder / "sums.jsonl")).settings(*more)
    return plan_faithful(to_faithful(plain, here=False), plain, planning())


def test_nothing_is_written_and_everything_is_to_be_made(tiny: Tiny) -> None:
    plan = of(tiny)
    assert not tiny.artifacts.exists()
    assert {row.state for row in plan.rows} == {MISSING}
    assert plan.total.seconds > 0
    assert plan.total.unknown == 0


def test_every_stage_of_every_job_says_what_it_takes(tiny: Tiny, tmp_path: Path) -> None:
    """But for those that ask a judge elsewhere, which toys do not."""
    plans = [of(tiny, EVERY, "audit.shifts=false"), swept(tiny), reasoned(tmp_path)]
    assert [[row.stage for row in plan.rows if row.unknown] for plan in plans] == [[], [], []]
    planned = {row.stage for plan in plans for row in plan.rows}
    own = {stage.name for one in ESTIMATORS.values() for stage in one.stages}
    needed = {stage.name for need in NEEDS.values() for stage in need.stages}
    assert own | needed | set(STAGES) - {"shifts"} <= planned
    assert {"sweep_extract", "sweep_fit", "sweep_flip", "sweep_evaluate", "sweep_report"} <= planned
    assert {"trace", "read", "continue", "judge", "radii", "confidence", "faith", "faith_report", "head"} <= planned


def test_traces_that_are_read_leave_numbers_and_states_on_request(tmp_path: Path) -> None:
    """Of a token: six log-probabilities; a radius, of stability; a state of 32 float32 numbers."""

    def disk(estimators: str, *more: str) -> float:
        plan = reasoned(tmp_path, "stages=[trace,read]", f"faithful.estimators=[{estimators}]", *more)
        return sum(row.disk for row in plan.rows if row.stage == "read")

    logs = disk("deepconf")
    assert disk("deepconf,stability") - logs == pytest.approx(logs / 6)
    assert disk("deepconf", "faithful.traces.states=[final]") - logs == pytest.approx(32 * logs / 6)
    assert logs < disk("deepconf,rcc") < 3 * logs


def test_continuations_that_are_found_have_the_tokens_that_were_written(tmp_path: Path) -> None:
    TinyFaithful(tmp_path, write_sums(tmp_path / "sums.jsonl")).run()
    [manifest] = (tmp_path / "artifacts" / "continue").glob("*/manifest.json")
    [found] = [row for row in reasoned(tmp_path).rows if row.stage == "continue"]
    written = sum(cost["tokens"] for cost in Artifact(manifest.parent, "continue", {}).costs())
    assert found.state == FOUND
    assert found.tokens == pytest.approx(written)


def test_each_question_is_counted(tiny: Tiny) -> None:
    plan = of(tiny)
    found = {(row.benchmark, row.stage): row for row in plan.rows if row.stage in ("answer", "extract")}
    extracted = found["boats", "extract"]
    assert extracted.tokens == 2 * 9 or extracted.tokens == 9
    assert found["boats", "answer"].tokens > 9 * 10


def test_what_a_run_has_left_is_found_and_is_as_large_as_was_said(tiny: Tiny) -> None:
    stages = "stages=[answer,grade,extract]"
    before = of(tiny, stages)
    tiny.run(stages)
    after = of(tiny, stages)
    assert {row.state for row in after.rows} == {FOUND}
    assert after.total.seconds == 0
    assert Counter(row.stage for row in before.rows) == Counter(row.stage for row in after.rows)
    for told, there in zip(before.rows, after.rows, strict=True):
        if told.stage == "answer":
            stored = list((tiny.artifacts / "answer").glob("*/costs.0.jsonl"))
            assert len(stored) == 2
            assert told.tokens == pytest.approx(there.tokens)


def test_tokens_are_those_that_a_run_then_counts(tiny: Tiny) -> None:
    stages = "stages=[answer]"
    told = {row.tokens for row in of(tiny, stages).rows if row.stage == "answer"}
    tiny.run(stages)
    counted = set()
    for manifest in (tiny.artifacts / "answer").glob("*/manifest.json"):
        costs = Artifact(manifest.parent, "answer", {}).costs()
        counted.add(sum(cost["tokens"] for cost in costs))
    assert told == counted


def test_a_thousand_times_as_many_questions(tiny: Tiny) -> None:
    once, often = of(tiny), of(tiny, times=1000)
    answers = [sum(row.tokens for row in plan.rows if row.stage == "answer") for plan in (once, often)]
    assert answers[1] == pytest.approx(1000 * answers[0])


def test_a_stage_that_no_method_needs_is_said(tiny: Tiny) -> None:
    named = "nothing to do: tune and ask_tuned, named in `stages` and no part of this run"
    assert named in of(tiny, "stages=[answer,grade,tune,extract,ask_tuned]").notes
    assert not [note for note in of(tiny, "stages=[answer,grade]").notes if "nothing to do" in note]


def test_a_stage_that_is_missing_and_not_asked_for_is_refused_as_by_a_run(tiny: Tiny) -> None:
    with pytest.raises(UserError, match="Add `answer`"):
        of(tiny, "stages=[grade]")


def test_processes_share_what_can_be_shared(tiny: Tiny) -> None:
    one, four = of(tiny), of(tiny, "trainer.devices=4")
    for alone, together in zip(one.rows, four.rows, strict=True):
        factor = 4 if alone.stage in ("answer", "sample", "extract") else 1
        assert together.seconds == pytest.approx(alone.seconds / factor), alone.stage


def test_gated_models_and_absent_benchmarks_are_assumed_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    overrides = ["experiment=paper", "model=[llama31_8b]", "benchmark@test=[mmlu_pro]", "benchmark@train=[ct_choice]",
                 "method=[ccps,entropy]", "logger=none", f"paths.artifacts={tmp_path}"]  # fmt: skip
    checked = checked_overrides(overrides, "config", lambda _: None)
    with initialize_config_dir(str(CONF), version_base=None):
        plain: Any = OmegaConf.to_container(compose("config", overrides=checked), resolve=True)
    plan = plan_experiment(to_config(plain, here=False), plain, planning())
    [answers] = [row for row in plan.rows if (row.stage, row.benchmark) == ("answer", "mmlu_pro")]
    assert SIZES_AS_NAMED in answers.assumed
    assert "questions of mmlu_pro" in answers.assumed
    assert answers.tokens == pytest.approx(12_032 * 220, rel=0.3)
    # Two operations for each of the dense weights and tokens, at half of the peak of 1e12.
    assert answers.seconds == pytest.approx(2 * 6.98e9 * answers.tokens / 1e12 / 0.5, rel=0.3)
    assert answers.memory > 16e9


def test_a_model_of_unknown_sizes_is_no_part_of_the_sum(tiny: Tiny) -> None:
    plain = tiny.settings("stages=[answer]")
    plain["model"] = {"far": {**plain["model"]["tiny_random"], "source": "folder", "location": "nowhere"}}
    plan = plan_experiment(to_config(plain, here=False), plain, planning())
    assert all(row.unknown and NO_SIZES in row.assumed for row in plan.rows if row.stage == "answer")
    assert any(note.startswith("not known") for note in plan.notes)


def test_a_sweep_says_what_hangs_on_its_results(tiny: Tiny) -> None:
    plan = swept(tiny)
    assert len(plan.notes) >= 2
    assert any("which strength is best" in note for note in plan.notes)


def test_a_stage_from_elsewhere_is_counted_as_unknown_until_it_says_what_it_takes() -> None:
    class Own(Stage):
        name = "own"

    known = Known({}, PlanConfig(), run=None)  # type: ignore[arg-type]
    assert not taken(Own(), known).is_known
    taken.register(Own, lambda stage, known: Taken("m", host_seconds=3.0))
    assert taken(Own(), known).host_seconds == 3


def test_traces_of_ones_own_are_counted_by_their_lengths(tmp_path: Path) -> None:
    plan = reasoned(tmp_path, "stages=[trace,read]")
    [trace, read] = [row for row in plan.rows if row.stage in ("trace", "read")]
    assert trace.tokens > 3 * 6  # three traces of half of twelve tokens, and their prompts
    assert read.tokens >= trace.tokens


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a plan loads no weights")

    monkeypatch.setattr("ccps.pipeline.model.load_model", refuse)


def test_no_weights_are_loaded(tiny: Tiny, no_weights: None) -> None:
    assert of(tiny, EVERY, "audit.shifts=false").rows
