"""The choice of recipes: what it refuses before a model is asked, and what it writes."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from composing import composed
from tiny import Tiny, benchmark, write_questions

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError
from ccps.pipeline.stage import Run
from experiments.probe_choice.run import compare_recipes
from experiments.probe_choice.settings import to_choice

SMALL = ("choice.sizes=[20]", "choice.draws=1", "choice.seeds=[23,24]")


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    for number, name in enumerate(("trees", "birds", "boats")):
        write_questions(tmp_path / f"{name}.jsonl", 30, number)
    return Tiny(tmp_path, tmp_path)


def settings(tiny: Tiny, *more: str) -> dict[str, Any]:
    birds = f"+train.birds={benchmark(tiny.questions / 'birds.jsonl')}"
    given = [text for text in tiny.overrides(birds, *SMALL, *more) if not text.startswith("method=")]
    return composed(given, "probes", to_choice)


def compare(tiny: Tiny, *more: str) -> pd.DataFrame:
    composed = settings(tiny, *more)
    compare_recipes(to_choice(composed), composed, Run(tiny.artifacts, "cpu"), tiny.output)
    return pd.read_csv(tiny.output / "probes.csv")


def test_faults_of_the_choice_come_in_one_message(tiny: Tiny) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tiny, "choice.recipes=[auto,papers]", "choice.formats=[mc,oe]")
    assert len(caught.value.faults) == 2
    assert "unknown recipe `papers` in `choice.recipes`: did you mean `paper`?" in str(caught.value)
    assert (
        "expected `choice.formats` to be formats of which there are training and test questions (mc), but got oe"
        in str(caught.value)
    )


def test_one_source_is_refused_before_a_model_is_asked(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r"of two sources or more, .*, but got trees\."):
        compare(tiny, "choice.formats=[mc]", "~train.birds")
    assert not tiny.artifacts.exists()


def test_every_recipe_is_judged_on_every_source_left_out(tiny: Tiny) -> None:
    table = compare(tiny, "choice.formats=[mc]", "choice.recipes=[logistic,auto]")
    assert list(table["recipe"].unique()) == ["logistic", "auto", "auto, one seed"]
    assert set(table["model"]) == {"tiny_random"}
    probes = table.groupby("recipe")["probes"].unique()
    assert {name: list(found) for name, found in probes.items()} == {
        "logistic": [2], "auto": [4], "auto, one seed": [4],
    }  # fmt: skip
    assert (table.loc[table["recipe"] == "logistic", "difference"] == 0).all()
    assert len(list((tiny.artifacts / "answer").iterdir())) == 1  # of the training questions
    assert "### tiny_random, mc" in (tiny.output / "probes.md").read_text()
