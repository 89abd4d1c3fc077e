import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError, check
from ccps.faithful import decisiveness
from ccps.grading import JudgeConfig
from ccps.reasoning.decisiveness.base import (
    SCORERS,
    DecisivenessScorer,
    Opening,
    PlaceNames,
    StepDecisiveness,
    StepText,
    decisiveness_faults,
    decisiveness_inputs,
    open_scorer,
    register,
)
from ccps.reasoning.decisiveness.external import ExternalScorer, names_places
from ccps.reasoning.decisiveness.lexicon import LexiconScorer
from ccps.settings.faithful.decisiveness import DecisivenessConfig

CONF = Path(__file__).parents[3] / "conf" / "faithful" / "decisiveness"
JUDGE = JudgeConfig("https://host.example/v1", "m", max_tokens=240)
ASKING = DecisivenessConfig("llm_judge", judge=JUDGE)


def steps(*texts: str) -> list[StepText]:
    return [StepText("a", index, text) for index, text in enumerate(texts)]


def faults(config: DecisivenessConfig) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check(config, "faithful.decisiveness", decisiveness_faults)
    return caught.value.faults


def test_the_lexicon_scores_each_step_and_says_by_which_words() -> None:
    text = "Wait. It is probably 4, or perhaps 5. So it is."
    certain, hedged, nothing = LexiconScorer().score(steps("It is 4.", text, " \n"))
    assert (certain.value, certain.markers) == (1, ())
    assert hedged.value == decisiveness(text).score < 1
    assert [marker.text for marker in hedged.markers] == ["probably", "perhaps"]
    assert all(text[marker.start : marker.end] == marker.text for marker in hedged.markers)
    assert math.isnan(nothing.value)
    assert nothing.reason == "a step without words"


def test_the_settings_of_the_lexicon_reach_it(tmp_path: Path) -> None:
    text = steps("Hmm. It is 4, maybe. It is so.")
    least = open_scorer(DecisivenessConfig("lexicon", aggregate="min"), tmp_path, "strict").score(text)
    aloud = DecisivenessConfig("lexicon", deliberation="suggested")
    assert least[0].value == decisiveness(text[0].text, aggregate="min").score
    assert open_scorer(aloud, tmp_path, "strict").score(text)[0].markers[0].text == "Hmm"
    assert not list(tmp_path.iterdir())


ROWS = [("007", 0, 0.5), ("007", 1, None), ("b", 0, 1.0), ("NA", 2, 0.25)]


def write(path: Path, rows: Sequence[tuple[object, ...]] = ROWS, **changes: object) -> Path:
    frame = pd.DataFrame(rows, columns=["trace_id", "step", "decisiveness"]).assign(**changes)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n\n" for row in frame.to_dict("records")))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_scores_from_a_file_are_found_by_trace_and_step(suffix: str, tmp_path: Path) -> None:
    scorer = ExternalScorer(write(tmp_path / f"scores{suffix}", judge="somebody"), "strict")
    asked = [StepText("b", 0, "x"), StepText("007", 1, "x"), StepText("7", 0, "x"), StepText("NA", 2, "x")]
    found = scorer.score(asked)
    assert [score.value for score in found] == pytest.approx([1, math.nan, math.nan, 0.25], nan_ok=True)
    assert [score.reason for score in found] == ["", "no score in the file", "no score in the file", ""]
    # That of step 0 of 007, whatever has been looked up before.
    assert scorer.unused([(step.trace_id, step.step) for step in asked]) == 1
    assert scorer.unused([]) == len(ROWS)
    assert LexiconScorer().unused([("b", 0)]) == 0


TWO_RUNS: dict[str, Any] = {"model": ["NA", "NA", "m2", "m2"], "dataset": "d", "prompt": ["", "", "", "p"]}
TWO_RUNS |= {"trace_id": "q1", "step": [0, 1, 0, 0], "decisiveness": [0.1, 0.2, 0.3, 0.4]}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_of_a_file_for_several_runs_the_rows_of_one_are_taken(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"scores{suffix}", [("q1", 0, 0)] * 4, **TWO_RUNS)
    asked = [StepText("q1", 0, "x"), StepText("q1", 1, "x")]
    config = DecisivenessConfig("external", path=str(path))
    found = {
        place: open_scorer(config, tmp_path, "strict", place)
        for place in (("NA", "d", ""), ("m2", "d", ""), ("m2", "d", "p"), ("m3", "d", "p"))
    }
    values = [[score.value for score in scorer.score(asked)] for scorer in found.values()]
    nan = math.nan
    assert values == [pytest.approx(own, nan_ok=True) for own in ([0.1, 0.2], [0.3, nan], [0.4, nan], [nan, nan])]
    assert [scorer.unused([("q1", 1)]) for scorer in found.values()] == [1, 1, 1, 0]
    assert names_places(path)
    # Without a place there are three scores for step 0.
    with pytest.raises(UserError, match="one score for each step, but got 3 for step 0 of trace q1"):
        open_scorer(config, tmp_path, "strict")


def test_a_file_that_names_no_places_is_for_every_one(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.csv")
    assert not names_places(path)
    for place in (("m", "d", "p"), ("n", "d", "p"), None):
        assert ExternalScorer(path, "strict", place).score([StepText("b", 0, "x")])[0].value == 1


def test_a_file_that_names_half_a_place_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.csv", model="m", prompt="p")
    message = r"all or none of the columns model, dataset, prompt, but got only model, prompt\."
    with pytest.raises(UserError, match=message):
        names_places(path)
    with pytest.raises(UserError, match=message):
        ExternalScorer(path, "strict", ("m", "d", "p"))


def test_a_row_without_a_place_among_others_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.jsonl", [("a", 0, 1), ("a", 1, 1)], model=["m", None], dataset="d", prompt="p")
    with pytest.raises(UserError, match="a model in every row, but got none in row 1"):
        ExternalScorer(path, "strict", ("m", "d", "p"))


def test_in_parity_minus_one_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.csv", [("a", 0, -1), ("a", 1, 0.5)])
    first, second = ExternalScorer(path, "parity").score(steps("x", "y"))
    assert math.isnan(first.value)
    assert second.value == 0.5
    with pytest.raises(
        UserError, match=r"scores\.csv: Expected `decisiveness` to lie in \[0, 1\], but got -1\.0 in row 0"
    ):
        ExternalScorer(path, "strict")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 0, 1.5)], "lie in"),
        ([("a", 0, "high")], "high"),
        ([("a", 0.5, 1)], "whole numbers from 0 in its column step, but got .*0.5.* in row 0"),
        ([("a", 0, 1), ("a", -1, 1)], "whole numbers .* in row 1"),
        ([("a", "first", 1)], "whole numbers"),
        ([("a", 0, 1), ("b", 3, 1), ("b", 3, 1)], "one score for each step, but got 2 for step 3 of trace b"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_is_no_score_is_named(rows: list[Any], message: str, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        ExternalScorer(write(tmp_path / f"scores{suffix}", rows), "strict")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("scores.csv", "trace_id,step\na,0\n", "a column decisiveness, but got columns trace_id, step"),
        ("scores.csv", "", "a file of scores that can be read"),
        ("scores.jsonl", '{"trace_id": "a"\n', "line 1"),
        ("scores.jsonl", "[1]\n", "line 1 is no JSON object"),
        (
            "scores.jsonl",
            '{"trace_id": null, "step": 0, "decisiveness": 1}',
            "a trace_id in every row, but got none in row 0",
        ),
        ("scores.parquet", "no table", "a file of scores that can be read"),
        ("scores.xlsx", "", "a .csv, .jsonl or .parquet file"),
        ("scores.csv", None, "a file of scores that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        ExternalScorer(tmp_path / name, "strict")
    assert name in str(caught.value)


def test_an_empty_file_of_scores_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("trace_id,step,decisiveness\n")
    assert math.isnan(ExternalScorer(path, "strict").score(steps("x"))[0].value)


@pytest.mark.parametrize("path", sorted(CONF.iterdir()), ids=lambda path: path.stem)
def test_every_file_makes_its_scorer(path: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CCPS_JUDGE_BASE_URL", "http://localhost:8000/v1")
    monkeypatch.setenv("CCPS_JUDGE_MODEL", "m")
    settings = OmegaConf.merge(OmegaConf.structured(DecisivenessConfig), OmegaConf.load(path))
    if path.stem == "external":
        settings.path = str(write(tmp_path / "scores.csv"))
    config: Any = OmegaConf.to_object(settings)
    open_scorer(config, tmp_path, "strict").close()
    assert decisiveness_inputs(config)["decisiveness"] == config.name == path.stem
    assert f"\n# python -m experiments.faithful faithful/decisiveness={path.stem}" in f"\n{path.read_text()}"


def test_all_faults_in_one_message() -> None:
    config = replace(ASKING, batch_size=0, top_p=0.0, judge=replace(JUDGE, base_url=None, model=None, max_tokens=49))
    found = faults(config)
    named = ["base_url", "judge.model", "batch_size", "top_p", "max_tokens"]
    assert [name in fault for name, fault in zip(named, found, strict=True)] == [True] * 5


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            DecisivenessConfig("gemini"),
            "unknown scorer `gemini` in `faithful.decisiveness.name`: known here: external, lexicon, llm_judge",
        ),
        (
            DecisivenessConfig("lexicon", aggregate="max"),
            "`faithful.decisiveness.aggregate` to be one of mean, min, last",
        ),
        (DecisivenessConfig("lexicon", path="x"), "`faithful.decisiveness.path` to be left out for lexicon"),
        (DecisivenessConfig("lexicon", judge=JUDGE), "`faithful.decisiveness.judge` to be left out for lexicon"),
        (DecisivenessConfig("external"), "`faithful.decisiveness.path` to be the path"),
        (DecisivenessConfig("external", path="x", seed=1), "`faithful.decisiveness.seed` to be left out for external"),
        (DecisivenessConfig("llm_judge"), "`faithful.decisiveness.judge` to be given"),
        (replace(ASKING, aggregate="min"), "`faithful.decisiveness.aggregate` to be left out for llm_judge"),
        (
            replace(ASKING, batch_size=21),
            "`faithful.decisiveness.judge.max_tokens` to be 252 or more, or null, but got 240",
        ),
        (replace(ASKING, batch_size=1, judge=replace(JUDGE, max_tokens=16)), "to be 50 or more"),
    ],
)
def test_settings_that_no_scorer_can_be_made_of(config: Any, fault: str) -> None:
    (found,) = faults(config)
    assert fault in found


def test_everything_that_decides_a_score_is_in_the_inputs(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.csv")
    before = decisiveness_inputs(DecisivenessConfig("external", path=str(path)))
    other = write(tmp_path / "other.csv", [("a", 0, 0.5)])
    assert decisiveness_inputs(DecisivenessConfig("external", path=str(other))) != before
    of_one = decisiveness_inputs(DecisivenessConfig("external", path=str(path)), ("m", "d", "p"))
    assert of_one != decisiveness_inputs(DecisivenessConfig("external", path=str(path)), ("m", "d", "q"))
    assert decisiveness_inputs(ASKING, ("m", "d", "p")) == decisiveness_inputs(ASKING)
    asked = decisiveness_inputs(ASKING)
    changes: list[dict[str, Any]] = [{"batch_size": 1}, {"seed": 1}, {"shuffle": False}, {"top_p": 0.1}]
    changes += [{"judge": replace(JUDGE, model="n")}, {"judge": replace(JUDGE, temperature=0.5)}]
    assert all(decisiveness_inputs(replace(ASKING, **change)) != asked for change in changes)
    assert decisiveness_inputs(replace(ASKING, judge=replace(JUDGE, concurrency=1, retries=0))) == asked
    lexicon = DecisivenessConfig("lexicon")
    assert decisiveness_inputs(lexicon) != decisiveness_inputs(replace(lexicon, deliberation="suggested"))


def test_a_file_that_is_not_there_has_no_inputs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv"):
        decisiveness_inputs(DecisivenessConfig("external", path=str(tmp_path / "none.csv")))


class Certain(DecisivenessScorer):
    """Hears no doubt in anything."""

    name = "certain"
    settings = frozenset({"seed"})

    @classmethod
    def inputs(cls, config: DecisivenessConfig, place: PlaceNames | None) -> dict[str, Any]:
        return {"seed": config.seed}

    @classmethod
    def open(cls, opening: Opening) -> "Certain":
        return cls()

    def score(self, steps: Sequence[StepText]) -> list[StepDecisiveness]:
        return [StepDecisiveness(1.0) for _ in steps]


def test_a_scorer_from_outside_the_package(tmp_path: Path) -> None:
    register(Certain)
    try:
        config = DecisivenessConfig("certain", seed=3)
        assert [found.value for found in open_scorer(config, tmp_path, "strict").score(steps("maybe", "so"))] == [1, 1]
        assert decisiveness_inputs(config) == {"decisiveness": "certain", "seed": 3}
        assert "left out for certain" in faults(replace(config, path="x"))[0]
    finally:
        SCORERS.remove("certain")
