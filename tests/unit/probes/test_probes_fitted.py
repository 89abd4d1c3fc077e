import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ccps.core.errors import UserError
from ccps.probes import FittedProbe, ProbeConfig, fit_probe
from ccps.settings.probe import NeverFlips


@pytest.fixture
def probe(table: Any, config: ProbeConfig) -> Any:
    features = table.features.copy()
    features[0, 0] = np.nan
    return fit_probe(features, table.labels, table.questions, config, 0, radius=16.0)


def edit(folder: Path, change: Any) -> None:
    path = folder / "probe.json"
    settings = json.loads(path.read_text())
    change(settings)
    path.write_text(json.dumps(settings))


def test_predictions_are_the_softmax_of_the_network_on_scaled_rows(probe: Any, table: Any) -> None:
    scaled = (table.features - probe.scaler.mean) / probe.scaler.scale
    logits = probe.network(torch.tensor(scaled, dtype=torch.float32)).detach().double().numpy()
    by_hand = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    predicted = probe.predict(table.features)
    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, by_hand, rtol=1e-6)


def test_never_flips_is_the_radius_or_by_name_zero(probe: Any, table: Any) -> None:
    never, at_radius, at_zero = (table.features[:5].copy() for _ in range(3))
    never[:, 13], at_radius[:, 13], at_zero[:, 13] = np.inf, 16.0, 0.0
    parity = replace(probe, config=replace(probe.config, never_flips=NeverFlips.parity_eval))
    assert (probe.predict(never) == probe.predict(at_radius)).all()
    assert (parity.predict(never) == probe.predict(at_zero)).all()
    assert (parity.predict(never) != probe.predict(never)).all()
    assert parity.clean(never).zeroed == {"epsilon_to_flip_token is infinite": 5}


def test_no_rows_give_no_predictions_and_a_wrong_width_is_refused(probe: Any) -> None:
    assert probe.predict(np.empty((0, 75))).shape == (0,)
    with pytest.raises(UserError, match="a table of 75 columns"):
        probe.predict(np.zeros((2, 74)))


def test_the_perceptron_reads_the_last_token_of_each_answer(probe: Any, table: Any) -> None:
    rows = table.features[:6]
    each = probe.predict(rows)
    np.testing.assert_allclose(probe.predict(rows, [1, 3, 2]), each[[0, 3, 5]], rtol=1e-6)
    assert (probe.predict(rows, np.ones(6, dtype=int)) == each).all()
    assert probe.predict(rows[:0], []).shape == (0,)
    assert probe.truncated([1, 3, 1000]) == 0
    with pytest.raises(UserError, match="Expected `lengths`"):
        probe.predict(rows, [1, 3, 3])


def test_what_prediction_changes_is_counted(probe: Any, table: Any) -> None:
    rows = table.features[:5].copy()
    rows[:2, 0] = np.nan
    rows[3, 1] = np.inf
    assert probe.notes(table.features, [1] * 400) == {}
    assert probe.notes(rows, [5]) == {
        "set to 0": {"original_log_prob_actual is NaN": 2, "original_prob_actual is infinite": 1}
    }


def test_parameters_are_those_of_the_paper_and_rows_are_summed_up(probe: Any) -> None:
    assert probe.parameters == 7608 + 1934
    assert probe.training.summary() == {
        "train_rows": 359,
        "validation_rows": 40,
        "truncated": 0,
        "left_out": 0,
        "dropped": {"original_log_prob_actual is NaN": 1},
    }


def test_save_and_load_return_the_same_probe(probe: Any, table: Any, tmp_path: Path) -> None:
    probe.save(tmp_path / "new" / "folder")
    loaded = FittedProbe.load(tmp_path / "new" / "folder")
    assert (loaded.predict(table.features) == probe.predict(table.features)).all()
    assert loaded.config == probe.config
    assert loaded.training == probe.training
    assert loaded.training.dropped == {"original_log_prob_actual is NaN": 1}
    assert (loaded.feature_names, loaded.radius) == (probe.feature_names, 16.0)
    assert not loaded.network.training


def test_a_probe_saved_when_there_was_a_choice_of_trainers_is_read(probe: Any, table: Any, tmp_path: Path) -> None:
    probe.save(tmp_path)
    edit(tmp_path, lambda settings: settings["config"].update(fitting="batched"))
    loaded = FittedProbe.load(tmp_path)
    assert loaded.config == probe.config
    assert loaded.predict(table.features).tolist() == probe.predict(table.features).tolist()


def test_same_seed_same_files(table: Any, config: ProbeConfig, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        fit_probe(table.features, table.labels, table.questions, config, 3, radius=20.0).save(tmp_path / folder)
    for name in ("probe.safetensors", "probe.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(format_version=2), "Expected `format_version` .* to be 3, but got 2"),
        (lambda s: s.pop("format_version"), "Expected `format_version` .* to be 3, but got None"),
        (lambda s: s.pop("radius"), "Expected the keys in"),
        (lambda s: s.update(colour="red"), "Expected the keys in"),
        (lambda s: s["training"].pop("seed"), "Expected the keys in"),
        (lambda s: s["training"]["curve"][0].pop("step"), "Expected the keys in"),
        (lambda s: s["config"].pop("margin"), "Expected `config` .* to be complete"),
        (lambda s: s["config"]["encoder"].pop("kernels"), "Expected `config` .* to be complete"),
        (lambda s: s["config"].update(colour="red"), "Expected `config` in"),
        (lambda s: s["config"].update(checkpoint="worst"), "Expected `config` in"),
        (lambda s: s["config"]["encoder"].update(embed_dim=9), "Expected the tensors in"),
        (lambda s: s["feature_names"].pop(), "Expected the tensors in"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    probe: Any, tmp_path: Path, change: Callable[..., Any], message: str
) -> None:
    probe.save(tmp_path)
    edit(tmp_path, change)
    with pytest.raises(UserError, match=message):
        FittedProbe.load(tmp_path)


@pytest.mark.parametrize("name", ["head.0.weight", "scaler.mean"])
def test_tensors_that_do_not_fit_are_refused(probe: Any, tmp_path: Path, name: str) -> None:
    probe.save(tmp_path)
    tensors = load_file(tmp_path / "probe.safetensors")
    save_file({key: value for key, value in tensors.items() if key != name}, tmp_path / "probe.safetensors")
    with pytest.raises(UserError, match=rf"others for \['{name}'\]"):
        FittedProbe.load(tmp_path)
    save_file(tensors | {name: tensors[name].half()}, tmp_path / "probe.safetensors")
    with pytest.raises(UserError, match=rf"others for \['{name}'\]"):
        FittedProbe.load(tmp_path)


def test_files_that_are_missing_or_broken_are_refused(probe: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"probe.json` to be a probe's settings"):
        FittedProbe.load(tmp_path)
    probe.save(tmp_path)
    (tmp_path / "probe.safetensors").write_bytes(b"not tensors")
    with pytest.raises(UserError, match=r"probe.safetensors` to be a probe's weights"):
        FittedProbe.load(tmp_path)
    (tmp_path / "probe.safetensors").unlink()
    with pytest.raises(UserError, match=r"probe.safetensors` to be a probe's weights"):
        FittedProbe.load(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "probe.json").write_text(text)
        with pytest.raises(UserError, match=r"probe\.json"):
            FittedProbe.load(tmp_path)
