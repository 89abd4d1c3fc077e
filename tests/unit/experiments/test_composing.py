"""Settings are composed as Hydra does it, though the files behind them are read and merged once."""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource as HydraFiles
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigLoadError
from omegaconf import DictConfig, OmegaConf

from ccps.core.errors import UserError
from experiments import composing
from experiments.composing import composed
from experiments.configs import CONF
from experiments.sources import FileConfigSource, parse_files_once

SMOKE = ("experiment=smoke", "trainer=cpu")


def by_hydra(name: str, overrides: Sequence[str]) -> Any:
    with initialize_config_dir(str(CONF), version_base=None):
        return compose(name, overrides=list(overrides))


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("config", []),
        ("config", ["++seeds=[1,2]", "experiment=smoke", "++perturbation.radius=7"]),
        ("config", [*SMOKE, "method=[ccps]", "+method.second={name:p_true,calibrator:platt}", "++probe.mc.x={a:1}"]),
        ("config", [*SMOKE, "benchmark@test=[mmlu_oe]", "++test.mine={name:mine}", "~sampling.train_total"]),
        ("faithful", ["experiment=faithful_smoke", "++faithful.sampling.k=2", "hydra/launcher=basic"]),
    ],
)
def test_it_comes_to_what_hydra_makes_of_it(name: str, overrides: list[str]) -> None:
    wanted = by_hydra(name, overrides)
    for _ in range(2):  # of files that are merged now, and of those that were before
        found = composed(name, overrides)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(wanted)
        assert OmegaConf.is_struct(found) == OmegaConf.is_struct(wanted)


def test_commands_that_differ_in_values_share_their_files_and_nothing_else() -> None:
    composing._of_files.cache_clear()
    for radius in (5, 10, 20):
        found = composed("config", [*SMOKE, f"++perturbation.radius={radius}", f"++own.r{radius}=1"])
        assert found.perturbation.radius == radius
        assert list(found.own) == [f"r{radius}"]
    assert "own" not in composed("config", SMOKE)
    assert composing._of_files.cache_info().misses == 1


@pytest.mark.parametrize("override", ["nothing.there=1", "+seeds=3", "~seeds.nothing", "a@b=1"])
def test_what_hydra_refuses_is_refused_in_its_words(override: str) -> None:
    with pytest.raises(Exception, match=r".") as wanted:
        by_hydra("config", [*SMOKE, override])
    with pytest.raises(UserError) as found:
        composed("config", [*SMOKE, override])
    assert str(found.value) == " ".join(str(wanted.value).split())


def test_a_file_that_was_changed_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "changing.yaml"
    given = [f"hydra.searchpath=['{tmp_path}']", "experiment=changing"]
    for place, seed in enumerate((5, 6)):  # as long as each other
        file.write_text(f"# @package _global_\ndefaults: [smoke, _self_]\nseeds: [{seed}]\n")
        os.utime(file, ns=(place, place))
        assert composed("config", given).seeds == [seed]


def test_a_file_is_parsed_once_and_its_contents_are_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = HydraFiles.load_config

    def counted(source: HydraFiles, config_path: str) -> Any:
        read.append(config_path)
        return load(source, config_path)

    monkeypatch.setattr(HydraFiles, "load_config", counted)
    (tmp_path / "one.yaml").write_text("# @package _global_\ndefaults: [_self_]\nx: 1\n")
    source = FileConfigSource("mine", str(tmp_path))
    first = source.load_config("one").config
    assert isinstance(first, DictConfig)
    del first["defaults"]
    second = source.load_config("one")
    assert second.config == {"defaults": ["_self_"], "x": 1}
    assert (second.provider, second.path, second.header) == ("mine", f"file://{tmp_path}", {"package": "_global_"})
    assert read == ["one"]
    (tmp_path / "one.yaml").write_text("x: 22\n")
    assert source.load_config("one").config == {"x": 22}
    (tmp_path / "one.yaml").unlink()
    with pytest.raises(ConfigLoadError, match="not found"):
        source.load_config("one")


def test_a_process_that_gets_hydras_state_goes_on_with_the_same_source() -> None:
    """As the jobs of a launcher do: they take the state over, and then register what Hydra brings itself."""
    parse_files_once()
    registry = pickle.loads(pickle.dumps(SourcesRegistry.instance()))
    registry.register(HydraFiles)
    assert registry.resolve("file") is FileConfigSource
