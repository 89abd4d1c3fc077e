"""What the faithful system refuses before any model has worked."""

from pathlib import Path

import pytest
from tiny_faithful import TinyFaithful, hydra_text

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError


def test_every_fault_of_the_settings_is_named_at_once(faithful: TinyFaithful) -> None:
    wrong = [
        "faithful.mode=loose",
        "faithful.estimators=[deepconf,rccc]",
        "faithful.rcc.delta=1.5",
        "faithful.sampling.k=0",
        "faithful.unknown=1",
    ]
    with pytest.raises(SettingsError) as caught:
        faithful.settings(*wrong)
    assert "faithful.unknown" in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        faithful.settings(*wrong[:-1])
    for word in ("faithful.mode", "did you mean `rcc`?", "faithful.rcc.delta", "k"):
        assert word in str(caught.value)
    assert len(caught.value.faults) == 4


def test_a_probe_that_is_not_there_is_refused(faithful: TinyFaithful) -> None:
    with pytest.raises(UserError, match=r"scorer\.json|scorer"):
        faithful.run("faithful.stability.scorer=/nowhere/at/all", "faithful.estimators=[stability]")


def test_a_file_may_not_go_by_the_names_of_a_run_of_our_own(faithful: TinyFaithful, traces_file: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "sums", "prompt": "baseline"}
    with pytest.raises(SettingsError, match="every model, dataset and prompt once"):
        faithful.settings(f"faithful.files.mine={hydra_text(file)}")


def test_what_is_missing_is_missed_before_the_model_works(faithful: TinyFaithful) -> None:
    with pytest.raises(UserError, match="traces"):
        faithful.run(f"faithful.files.mine={hydra_text({'path': '/nowhere/traces.jsonl'})}")
    assert not (faithful.folder / "artifacts" / "trace").exists()


def test_more_alternatives_than_the_model_has_tokens_are_refused_before_it_writes(faithful: TinyFaithful) -> None:
    with pytest.raises(UserError, match=r"`faithful\.deepconf\.k` to be at most \d+, the tokens of the model `tiny_"):
        faithful.run("faithful.deepconf.k=1000")
    assert not (faithful.folder / "artifacts" / "trace").exists()
