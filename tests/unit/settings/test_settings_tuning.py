from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from ccps.core.errors import UserError
from ccps.core.settings import check
from ccps.settings.litcab import LitCabConfig
from ccps.settings.tuning import unregularised
from ccps.tuning import Divergence, TuningConfig

CONF = Path(__file__).parents[3] / "conf"


@pytest.mark.parametrize(("group", "config"), [("tuning", TuningConfig()), ("litcab", LitCabConfig())])
def test_default_files_are_the_defaults(group: str, config: object) -> None:
    assert yaml.safe_load((CONF / group / "default.yaml").read_text()) == asdict(config)  # type: ignore[call-overload]


def test_all_faults_of_tuning_are_named_at_once() -> None:
    config = TuningConfig(rank=0, steps=10, dropout=1.0, divergence_weight=-1.0, learning_rate=float("nan"))
    with pytest.raises(UserError) as raised:
        check(config, "tuning")
    for name in ("rank", "dropout", "divergence_weight", "learning_rate", "warmup_steps"):
        assert f"`tuning.{name}`" in str(raised.value)
    check(TuningConfig(), "tuning")


def test_all_faults_of_litcab_are_named_at_once() -> None:
    with pytest.raises(UserError) as raised:
        check(LitCabConfig(learning_rate=0.0, penalty=-1.0, epochs=0, validation_fraction=1.0), "litcab")
    for name in ("learning_rate", "penalty", "epochs", "validation_fraction"):
        assert f"`litcab.{name}`" in str(raised.value)
    check(LitCabConfig(), "litcab")


def test_without_a_regulariser_its_kind_does_not_matter() -> None:
    kinds = {str(unregularised(TuningConfig(divergence=kind, rank=4))) for kind in Divergence}
    assert len(kinds) == 1
    assert unregularised(TuningConfig(rank=4)).divergence_weight == 0
    assert unregularised(TuningConfig(rank=4)).rank == 4
