"""Which questions an experiment asks: by format, without those of a test, and what is left out."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec
from ccps.settings.experiment import Config
from ccps.stages.main.questions import Overlap, all_questions

CHOICE = "question,a,b,right\n"
OPEN = "question,right\n"


def spec(path: Path, form: str) -> BenchmarkSpec:
    options = {"options": ["a", "b"], "answer_kind": "letter"} if form == "mc" else {"answer_kind": "text"}
    return OmegaConf.to_object(
        OmegaConf.structured(
            BenchmarkSpec(
                name=path.stem,
                source="file",
                loader="table",
                location=str(path),
                question="question",
                answer="right",
                format=form,
                **options,
            )
        )
    )  # type: ignore[return-value]


def config(folder: Path, train: dict[str, str], test: dict[str, str]) -> Config:
    """Benchmarks given as text by file name; the name says the format."""
    specs: list[Any] = []
    for side in (train, test):
        specs.append({})
        for name, text in side.items():
            path = folder / f"{name}.csv"
            path.write_text(text)
            specs[-1][name] = spec(path, name[:2])
    return Config(experiment="x", train=specs[0], test=specs[1])


MC_TEST = CHOICE + "Which river runs through the city of Cologne in the west of Germany?,Elbe,Rhine,b\nWho?,x,y,a\n"
MC_TRAIN = CHOICE + (
    "Who?,x,y,a\n"
    "Which river runs through the city of Cologne in the west of the country?,Elbe,Rhine,b\n"
    "What is the number of legs that a common spider has on the whole?,8,6,a\n"
)
OE_TEST = OPEN + "What is the capital?,Rome\nWhat else?,this\n"
OE_TRAIN = OPEN + "Who is it?,Ann\nWHAT ELSE,that\n"


def test_every_format_has_training_questions_of_its_own(tmp_path: Path) -> None:
    found = all_questions(
        config(tmp_path, {"mc_a": MC_TRAIN, "oe_a": OE_TRAIN}, {"mc_b": MC_TEST, "oe_b": OE_TEST}), judged=True
    )
    texts = {form: {question.text for question in group} for form, group in found.trains.items()}
    assert texts["oe"] == {"Who is it?"}
    assert "Who?" not in texts["mc"]
    assert {question.format for question in found.trains["mc"]} == {"mc"}
    assert len(found.trains["mc"]) == 2  # one stands in the test
    assert list(found.by_label) == ["train_mc", "train_oe", "mc_b", "oe_b"]


def test_overlap_is_counted_by_test_benchmark(tmp_path: Path) -> None:
    found = all_questions(
        config(tmp_path, {"mc_a": MC_TRAIN, "oe_a": OE_TRAIN}, {"mc_b": MC_TEST, "oe_b": OE_TEST}), judged=True
    )
    assert found.overlaps == [Overlap("mc_b", shared=1, left_out=1, alike=1), Overlap("oe_b", 1, 1, 0)]
    assert found.left_out[0].number == 2


def test_a_format_that_is_not_tested_is_not_trained(tmp_path: Path) -> None:
    found = all_questions(config(tmp_path, {"mc_a": MC_TRAIN, "oe_a": OE_TRAIN}, {"oe_b": OE_TEST}), judged=True)
    assert list(found.trains) == ["oe"]
    assert any(count.what == "training benchmarks left out" and "mc_a" in count.reason for count in found.left_out)


def test_nothing_left_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"training questions \(oe\) to be at least one question, but got none \(2 stand"
    ):
        all_questions(config(tmp_path, {"oe_a": OE_TEST}, {"oe_b": OE_TEST}), judged=True)


def test_what_is_worth_knowing_of_questions_is_counted(tmp_path: Path) -> None:
    twice = CHOICE + "Who?,x,y,a\nWho?,x,y,a\nWhat is the same?,z,z,b\n"
    found = all_questions(config(tmp_path, {"mc_a": MC_TRAIN}, {"mc_b": twice}), judged=True)
    told = [(one.what, one.number, one.reason.partition(" (")[0]) for one in found.left_out]
    assert ("records left out of mc_b", 1, "the same question stands before it; `repeated: keep` asks it again") in told
    reason = "have the right option at two letters, of which either is accepted"
    assert ("questions of mc_b", 1, reason) in told


def test_single_tests_may_have_a_number_of_their_own(tmp_path: Path) -> None:
    given = config(tmp_path, {"mc_a": MC_TRAIN, "oe_a": OE_TRAIN}, {"mc_b": MC_TEST, "oe_b": OE_TEST})
    given.sampling.test_per_subject, given.sampling.per_subject = 1, {"oe_b": None, "other": 3}
    found = all_questions(given, judged=False)
    assert {name: len(group) for name, group in found.tests.items()} == {"mc_b": 1, "oe_b": 2}


def test_no_experiment_cuts_files_of_the_users_own(tmp_path: Path) -> None:
    given = config(tmp_path, {"mc_a": MC_TRAIN, "oe_a": OE_TRAIN}, {"mc_b": MC_TEST, "oe_b": OE_TEST})
    whole = {label: len(group) for label, group in all_questions(given, judged=False).by_label.items()}
    sampling = given.sampling
    sampling.train_total, sampling.test_per_subject, sampling.per_subject = 1, 1, {"oe_b": 1}
    # Which sizes may cut them, and whose sizes are then 1.
    for cuts_own, cut in (
        ([], []),
        (["train_total"], ["train_mc", "train_oe"]),
        (["test_per_subject"], ["mc_b"]),
        (["per_subject"], ["oe_b"]),
    ):
        sampling.cuts_own = cuts_own
        found = all_questions(given, judged=False)
        assert {label: len(group) for label, group in found.by_label.items()} == whole | dict.fromkeys(cut, 1)
        told = {one.what: (one.number, one.reason) for one in found.left_out if "not drawn" in one.what}
        assert told == {
            f"questions not drawn of {label}": (whole[label] - 1, f"1 of {whole[label]} are asked")
            for label in cut
            if whole[label] > 1
        }
