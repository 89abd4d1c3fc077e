"""Several probes as one."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from ccps.probes import FittedProbe, ProbeConfig, ProbeEnsemble, ProbeTask, fit_probes, load_probe
from ccps.settings.probe import StageConfig

SHORT = ProbeConfig(contrastive=StageConfig(steps=0), classifier=StageConfig(steps=20, learning_rate=1e-3))


@pytest.fixture(scope="module")
def probes() -> list[FittedProbe]:
    rng = np.random.default_rng(0)
    correct = np.arange(60) % 3 == 0
    features = rng.normal(size=(60, 75)) + 0.2 * correct[:, None]
    tasks = [ProbeTask(features, correct, [str(n) for n in range(60)], seed, 20.0) for seed in (1, 2, 3)]
    return fit_probes(tasks, SHORT)


ROWS = np.random.default_rng(1).normal(size=(11, 75))


def test_logit_is_the_mean_of_the_members(probes: list[FittedProbe]) -> None:
    p = [probe.predict(ROWS) for probe in probes]
    np.testing.assert_allclose(ProbeEnsemble(tuple(probes)).predict(ROWS), expit(sum(map(logit, p)) / 3), rtol=1e-12)


def test_one_member_is_itself(probes: list[FittedProbe]) -> None:
    np.testing.assert_allclose(ProbeEnsemble((probes[0],)).predict(ROWS), probes[0].predict(ROWS), rtol=1e-12)


def test_numbers_are_added_up_and_rows_are_those_of_one(probes: list[FittedProbe]) -> None:
    whole = ProbeEnsemble(tuple(probes), {"seed 2 gave one P": 1})
    assert whole.parameters == 3 * 9542
    summary = whole.training.summary()
    assert summary["train_rows"] == 54
    assert summary["averaged"] == 3
    assert summary["refitted"] == {"seed 2 gave one P": 1}


def test_what_is_stored_is_read_back(probes: list[FittedProbe], tmp_path: Path) -> None:
    whole = ProbeEnsemble(tuple(probes), {"seed 2 gave one P": 1})
    whole.save(tmp_path / "all")
    probes[0].save(tmp_path / "one")
    found, one = load_probe(tmp_path / "all"), load_probe(tmp_path / "one")
    assert isinstance(found, ProbeEnsemble)
    assert isinstance(one, FittedProbe)
    assert found.refitted == whole.refitted
    np.testing.assert_array_equal(found.predict(ROWS), whole.predict(ROWS))
    np.testing.assert_array_equal(one.predict(ROWS), probes[0].predict(ROWS))


def test_a_member_that_is_missing_is_told(probes: list[FittedProbe], tmp_path: Path) -> None:
    from ccps.core.errors import UserError

    ProbeEnsemble(tuple(probes)).save(tmp_path)
    (tmp_path / "member1" / "probe.json").unlink()
    with pytest.raises(UserError, match=r"member1/probe\.json"):
        load_probe(tmp_path)


def test_probes_stored_before_there_was_an_average_keep_loading(probes: list[FittedProbe], tmp_path: Path) -> None:
    import json

    probes[0].save(tmp_path)
    path = tmp_path / "probe.json"
    stored = json.loads(path.read_text())
    for name in ("average", "refits"):
        del stored["config"][name]
    for stage in ("contrastive", "classifier"):
        del stored["config"][stage]["passes"]
    path.write_text(json.dumps(stored))
    np.testing.assert_array_equal(FittedProbe.load(tmp_path).predict(ROWS), probes[0].predict(ROWS))
