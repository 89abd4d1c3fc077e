"""`engine=vllm` among the settings of an experiment."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ccps.core.settings import SettingsError
from ccps.engines import EngineConfig
from ccps.stages.main.checks import to_config

CONF = Path(__file__).parents[3] / "conf"


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(CONF), version_base=None):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)


def faults(*overrides: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        to_config(composed(*overrides))
    return caught.value.faults


def test_the_model_itself_writes_unless_told_otherwise(installed: Any) -> None:
    installed.put(None, gpu=False)
    assert to_config(composed()).engine == EngineConfig()


def test_the_file_of_vllm_holds_its_defaults(installed: Any) -> None:
    assert to_config(composed("engine=vllm")).engine == EngineConfig("vllm")
    assert to_config(composed("engine=vllm", "engine.tolerance_max=2")).engine.tolerance_max == 2


def test_where_vllm_cannot_run_nothing_is_loaded(installed: Any) -> None:
    installed.put(None, gpu=False)
    missing, no_gpu = faults("engine=vllm")
    assert missing.startswith("in `engine`: expected vLLM to be installed")
    assert "on a machine without a GPU" in no_gpu


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("model=[tiny_random]", "`model.tiny_random` to be a checkpoint"),
        ("+model.qwen25_coder_1b5.quantisation=int8", "quantisation` to be null with vLLM"),
        ("trainer.devices=2", "in a run of one process, but got 2"),
        ("samples.temperature=3", "`samples.temperature` to be 0.01 to 2"),
        ("samples.temperature=0.001", "`samples.temperature` to be 0.01 to 2"),
    ],
)
def test_what_vllm_cannot_do_is_refused(installed: Any, override: str, part: str) -> None:
    # Weights in fewer bits need a package too, which may be missing.
    (fault,) = (fault for fault in faults("engine=vllm", override) if "ccps[quant]" not in fault)
    assert part in fault
    assert "set engine=transformers" in fault
    installed.put(None, gpu=False)
    if "quantisation" not in override:
        to_config(composed(override))
