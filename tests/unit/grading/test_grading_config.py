from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError
from ccps.data.records import Question
from ccps.grading import GRADERS, GraderConfig, JudgeConfig, check_grader, judging_cost, make_grader, register
from ccps.grading.base import Comparison

CONF = Path(__file__).parents[3] / "conf" / "grader"
JUDGE = JudgeConfig("https://host.example/v1", "m")


def faults(config: GraderConfig) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_grader(config)
    return caught.value.faults


def test_every_grader_has_a_file() -> None:
    assert set(GRADERS) == {path.stem for path in CONF.iterdir()}


@pytest.mark.parametrize("path", sorted(CONF.iterdir()), ids=lambda path: path.stem)
def test_every_file_makes_its_grader(path: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CCPS_JUDGE_BASE_URL", "http://localhost:8000/v1")
    monkeypatch.setenv("CCPS_JUDGE_MODEL", "m")
    settings = OmegaConf.load(path)
    assert list(settings) == [path.stem]
    config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(GraderConfig), settings[path.stem]))
    grader = make_grader(config, tmp_path)
    assert grader.name == path.stem
    assert grader.settings()["name"] == path.stem
    assert path.read_text().startswith(("# python -m experiments.reproduce grader=[", "# export CCPS_JUDGE"))


def test_a_judge_from_an_empty_environment_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "MODEL"):
        monkeypatch.delenv(f"CCPS_JUDGE_{name}", raising=False)
    settings: Any = OmegaConf.load(CONF / "llm_judge.yaml")
    config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(GraderConfig), settings["llm_judge"]))
    found = faults(config)
    assert ["CCPS_JUDGE_BASE_URL" in found[0], "CCPS_JUDGE_MODEL" in found[1]] == [True, True]


def test_a_misspelt_name_is_met_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'normalized'\. Choose normalised\."):
        check_grader(GraderConfig("normalized"))


def test_all_faults_in_one_message() -> None:
    judge = replace(JUDGE, base_url=None, model="", concurrency=0, timeout_s=float("inf"), retries=-1, max_tokens=0)
    assert len(faults(GraderConfig("llm_judge", 2.0, judge))) == 7


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"threshold": 0.6}, "grader.threshold` to be left out for llm_judge"),
        ({"name": "contains", "judge": None, "threshold": 0.6}, "grader.threshold` to be left out for contains"),
        ({"name": "f1", "judge": None, "threshold": 0.0}, "threshold` to be above 0"),
        ({"name": "f1", "judge": None, "threshold": 1.1}, "threshold` to be above 0"),
        ({"name": "f1", "judge": None, "threshold": float("nan")}, "threshold` to be above 0"),
        ({"judge": None}, "judge` to be given for llm_judge"),
        ({"name": "f1"}, "grader.judge` to be left out for f1"),
    ],
)
def test_what_does_not_fit_together(change: dict[str, Any], fault: str) -> None:
    (found,) = faults(replace(GraderConfig("llm_judge", judge=JUDGE), **change))
    assert fault in found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"base_url": "host.example/v1"}, "without http"),
        ({"base_url": "https:///v1"}, "without http"),
        ({"base_url": "https://host:port/v1"}, "cannot be read"),
        ({"temperature": -1.0}, "`grader.judge.temperature`"),
        ({"price_prompt": 1.0}, "one of them"),
        ({"price_prompt": -1.0, "price_completion": 1.0}, "`grader.judge.price_prompt`"),
    ],
)
def test_judge_settings(change: dict[str, Any], fault: str) -> None:
    (found,) = faults(GraderConfig("llm_judge", judge=replace(JUDGE, **change)))
    assert fault in found


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://user:sesame@host.example/v1"},
        {"base_url": "https://sesame@host.example/v1"},
        {"base_url": "https://host.example/v1?key=sesame"},
        {"key_variable": "sk-sesame"},
    ],
)
def test_secrets_in_settings_are_refused_and_not_repeated(change: dict[str, Any]) -> None:
    (found,) = faults(GraderConfig("llm_judge", judge=replace(JUDGE, **change)))
    assert "sesame" not in found


def test_prices_are_per_million_tokens() -> None:
    priced = replace(JUDGE, price_prompt=2.0, price_completion=5.0)
    assert judging_cost(priced, 3e6, 1e5) == 6.5
    assert judging_cost(replace(priced, price_prompt=None), 3e6, 1e5) is None
    assert judging_cost(replace(priced, price_completion=None), 3e6, 1e5) is None
    assert judging_cost(JUDGE, 3e6, 1e5) is None


@pytest.mark.parametrize(("concurrency", "size"), [(1, 32), (8, 32), (9, 36), (100, 400)])
def test_a_step_keeps_all_connections_of_a_judge_busy(concurrency: int, size: int, tmp_path: Path) -> None:
    config = GraderConfig("llm_judge", judge=replace(JUDGE, concurrency=concurrency))
    assert make_grader(config, tmp_path).step_size == size
    assert make_grader(GraderConfig("f1"), tmp_path).step_size == 32


def test_the_threshold_reaches_its_grader(tmp_path: Path) -> None:
    assert make_grader(GraderConfig("f1", 0.8), tmp_path).settings()["threshold"] == 0.8


def test_only_what_decides_a_verdict_is_in_the_settings(tmp_path: Path) -> None:
    def settings(**change: Any) -> Any:
        return make_grader(GraderConfig("llm_judge", judge=replace(JUDGE, **change)), tmp_path).settings()

    idle = {"concurrency": 2, "timeout_s": 1.0, "retries": 0, "price_prompt": 1.0, "price_completion": 1.0}
    assert settings(**idle, key_variable="OTHER_KEY") == settings()
    for change in ({"base_url": "https://b.example/v1"}, {"model": "n"}, {"temperature": None}, {"max_tokens": None}):
        assert settings(**change) != settings()
    assert settings(base_url="http://HOST.example/v1/") == settings()


NO_KEY = "the key of the judge, but got nothing. Set it; for an endpoint that asks for no key, to any text."
ODD_KEY = "plain ASCII without spaces, but got other characters in it. Copy the key again."


@pytest.mark.parametrize(
    ("value", "fault"),
    [(None, NO_KEY), (" ", NO_KEY), ("two words", ODD_KEY), ("clé", ODD_KEY), ("tab\tkey", ODD_KEY)],
)
def test_a_key_that_cannot_be_used_is_not_repeated(
    value: str | None, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ccps.grading.endpoint import Endpoint

    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(UserError) as caught:
        Endpoint(replace(JUDGE, key_variable="SOME_KEY"))
    assert str(caught.value) == f"Expected the environment variable SOME_KEY to be {fault}"


def test_a_grader_from_outside_is_made_by_name(tmp_path: Path) -> None:
    @register
    class Never(Comparison):
        name = "never"
        formats = frozenset({"mc", "oe"})

        def is_right(self, answer: str, question: Question) -> bool:
            return False

    try:
        assert isinstance(make_grader(GraderConfig("never"), tmp_path), Never)
        with pytest.raises(ValueError, match="got two called `never`"):
            register(Never)
    finally:
        GRADERS.remove("never")
    with pytest.raises(UserError, match="got 'never'"):
        check_grader(GraderConfig("never"))
