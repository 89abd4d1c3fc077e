"""Measurements on traces with rollouts, on small ones of invented text."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from tiny_rollouts import row, rows, write_file

from ccps.core.errors import UserError
from ccps.faithful.deliberation import deliberation_norms
from ccps.settings.faithful.rollouts import RolloutSettings
from experiments import rollouts
from experiments.rollout_study.deliberation import HEDGE, marks
from experiments.rollout_study.readings import all_readings
from experiments.rollout_study.runs import run_readings
from experiments.rollout_study.sentences import StudiedTraces, read_study
from experiments.rollout_study.settings import to_study

ROOT = Path(__file__).parents[3]


@pytest.fixture
def study(tmp_path: Path) -> StudiedTraces:
    return read_study(RolloutSettings(path=str(write_file(tmp_path / "a.jsonl.gz"))))


def _settings(path: Path, **changes: Any) -> dict[str, Any]:
    read: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf/rollouts.yaml"))
    del read["defaults"], read["hydra"]
    read["rollouts"]["path"] = str(path)
    return {**read, **changes}


def test_sentences_bring_their_scores_as_confidences(study: StudiedTraces) -> None:
    table = study.sentences()
    assert len(table) == 3 * len(rows())
    own = table[table["trace_id"] == table["trace_id"][0]]
    # Shares that mean something else are 0, 1 and 0.25; those that end right 1, 0.5 and 0.75.
    assert own["1 − different"].to_list() == [1.0, 0.0, 0.75]
    assert own["accuracy"].to_list() == [1.0, 0.5, 0.75]
    assert own["place"].to_list() == [0, 0.5, 1]
    assert own["words"].to_list() == [3, 4, 5]
    assert set(table["problem"]) == {"problem_1", "problem_2"}


def test_sentences_are_marked(study: StudiedTraces) -> None:
    table = study.sentences().head(3).assign(text=["Wait, so it is 4.", "Perhaps.", "Let me verify."])
    found = marks(table)
    assert found["wait"].tolist() == [True, False, False]
    assert found["let me check"].tolist() == [False, False, True]
    assert found[HEDGE].tolist() == [False, True, False]


def test_readings_change_one_choice_each(study: StudiedTraces) -> None:
    readings = all_readings(study)
    first = readings[0]
    # Both texts are the same; "It is 9 then, surely." shares two words of five with four; no text, no confidence.
    assert first.confidence[0] == pytest.approx([1, 2 * 2 / (4 + 5), np.nan], nan_ok=True)
    assert first.decisiveness[0] == pytest.approx([1, 0.011, 0.695], abs=5e-4)
    named = {(one.choice, one.setting): one for one in readings}
    assert len(named) == len(readings)
    assert named["judge of continuations", "last number"].confidence[0] == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert named["confidence that came with the traces", "accuracy"].confidence[0].tolist() == [1, 0.5, 0.75]
    # The first two sentences stand in one paragraph.
    paragraphs = named["unit", "paragraph, min of its sentences"]
    assert paragraphs.decisiveness[0] == pytest.approx([0.011, 0.695], abs=5e-4)
    assert paragraphs.confidence[0] == pytest.approx([(1 + 4 / 9) / 2, np.nan], nan_ok=True)
    for one in readings[1:]:
        same_words = all(np.array_equal(a, b) for a, b in zip(one.decisiveness, first.decisiveness, strict=True))
        assert same_words or one.choice in ("aggregate of the lexicon", "thinking aloud", "unit")


def test_both_pages_are_written(tmp_path: Path) -> None:
    lines = [
        row(model, problem, right, steps=steps(6 * problem + 2 * (model == "tiny-a") + right))
        for model in ("tiny-a", "tiny-b")
        for problem in range(6)
        for right in (True, False)
    ]
    settings = _settings(write_file(tmp_path / "b.jsonl.gz", *lines), output=str(tmp_path / "out"), resamples=20)
    rollouts.main({**settings, "page": "deliberation"})
    page = (tmp_path / "out" / "deliberation.md").read_text()
    (waits,) = [line for line in page.splitlines() if line.startswith("| wait ") and "yes" in line]
    assert waits.split(" | ")[1] == str(6 * len(lines))
    rollouts.main(settings)
    page = (tmp_path / "out" / "sensitivity.md").read_text()
    assert "of 4 groups (right chains of tiny-a, right chains of tiny-b, wrong chains of tiny-a and wrong" in page
    assert "| K, continuations of a step | 100 |" in page


def steps(seed: int) -> list[dict[str, Any]]:
    """Twelve sentences, half of which think aloud, are said again less often, and end right as often as the others."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(12):
        aloud = place % 2 == 0
        different = float(np.clip(rng.normal(0.8 if aloud else 0.3, 0.05), 0, 1))
        text = f"Wait, it is {place}." if aloud else f"So it is {place}."
        others = [text, f"It is {seed} instead."]
        made.append({"text": text, "alternatives": others, "different": different, "accuracy": float(rng.random())})
    return made


def test_traces_without_scores_are_refused(tmp_path: Path) -> None:
    path = write_file(tmp_path / "c.jsonl.gz", row("m", 1, True, steps=[{"text": "It is 4."}]))
    with pytest.raises(UserError, match=r"Expected `rollouts\.path` to be a file of traces whose steps bring scores"):
        read_study(RolloutSettings(path=str(path)))


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="resamples"):
        to_study(_settings(tmp_path, resamples=1))
    with pytest.raises(UserError, match=r"`rollouts\.path` to name traces with rollouts"):
        to_study(_settings(tmp_path, rollouts={"path": None}))


def test_measured_norms_are_those_of_the_committed_table() -> None:
    text = (ROOT / "docs" / "decisiveness.md").read_text()
    table = text[text.index("| 1 − different, first half") :]
    shares = re.findall(r"^\| ([a-z ]+?) \| \d+ \| (0\.\d+) \|.*\| yes \|$", table[: table.index("\n\n")], re.MULTILINE)
    found = {kind: float(share) for kind, share in shares if kind != HEDGE}
    assert found == {kind: deliberation_norms("measured")[kind] for kind in found}
    assert set(found) == {"wait", "hmm", "let me check", "let me think", "alternatively"}


def _run_of(folder: Path, confidence: list[float]) -> None:
    tables = folder / "tables"
    tables.mkdir(parents=True)
    place = {"model": "m", "dataset": "d"}
    steps = [
        {**place, "prompt": prompt, "trace_id": f"t{k}", "step": step, "decisiveness": 1.0, "rcc": 0.5}
        | {"sampling": confidence[k] if step else np.nan}
        for prompt in ("p", "q")
        for k in range(2)
        for step in range(2)
    ]
    traces = [{**place, "prompt": p, "trace_id": f"t{k}", "question_id": f"q{k}"} for p in ("p", "q") for k in range(2)]
    pd.DataFrame(steps).to_parquet(tables / "steps.parquet")
    pd.DataFrame(traces).to_parquet(tables / "traces.parquet")


def test_runs_with_a_model_become_readings(tmp_path: Path) -> None:
    _run_of(tmp_path / "faithful.sampling.temperature=1.2", [0.25, 0.5])
    _run_of(tmp_path / "faithful.sampling.temperature=0.8", [0.75, 0.5])
    # RCC is the same in both, so the choice does not bear on it.
    (found,) = run_readings(tmp_path)
    assert found.groups == ["m, p", "m, p", "m, q", "m, q"]
    assert found.problems == ["q0", "q1", "q0", "q1"]
    assert [one.setting for one in found.readings] == ["0.8", "1.2"]
    assert found.readings[0].choice == "temperature of the draws, Sampling"
    assert found.readings[1].confidence[0] == pytest.approx([np.nan, 0.25], nan_ok=True)
    assert [own.tolist() for own in found.readings[0].decisiveness] == [[1, 1]] * 4


def test_runs_that_cannot_be_held_against_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Expected `runs` to be the output of .* with a folder for each value"):
        run_readings(tmp_path)
    _run_of(tmp_path / "faithful_judge=lexical", [0.25, 0.5])
    with pytest.raises(UserError, match="to be llm_yes_no and others, but got lexical alone"):
        run_readings(tmp_path)
    _run_of(tmp_path / "faithful_judge=llm_yes_no", [0.5, 0.5])
    traces = tmp_path / "faithful_judge=lexical" / "tables" / "traces.parquet"
    pd.read_parquet(traces).assign(trace_id="other").to_parquet(traces)
    with pytest.raises(UserError, match="to be of the same traces, but got others with faithful/judge=lexical"):
        run_readings(tmp_path)
