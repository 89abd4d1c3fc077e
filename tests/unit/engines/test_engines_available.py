"""Whether an engine can run here is said before anything loads, all faults at once."""

from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError, check
from ccps.engines import EngineConfig, check_engine, engine_inputs


def test_the_model_itself_needs_nothing(installed: Any) -> None:
    installed.put(None, gpu=False)
    check_engine(EngineConfig())
    assert engine_inputs(EngineConfig()) == {}


@pytest.mark.parametrize("version", ["0.30", "0.30.1", "0.31.0rc1", "1.0+cu130"])
def test_a_new_vllm_on_a_gpu_is_taken_and_its_version_is_an_input(installed: Any, version: str) -> None:
    installed.put(version, gpu=True)
    check_engine(EngineConfig("vllm"))
    assert engine_inputs(EngineConfig("vllm")) == {"engine": f"vllm {version}"}


@pytest.mark.parametrize("version", ["0.29.5", "0.9.2", "0.30.0rc2", "0.30.0.dev7+g1234"])
def test_an_old_vllm_is_refused(installed: Any, version: str) -> None:
    installed.put(version, gpu=True)
    with pytest.raises(UserError, match=rf"vLLM to be version 0.30 or newer, but got {version[:4]}.*ccps\[vllm"):
        check_engine(EngineConfig("vllm"))


def test_a_missing_vllm_is_refused(installed: Any) -> None:
    installed.put(None, gpu=True)
    for use in (check_engine, engine_inputs):
        with pytest.raises(UserError, match=r"vLLM to be installed, but got nothing.*pip install 'ccps\[vllm\]'"):
            use(EngineConfig("vllm"))


def test_a_machine_without_gpu_is_refused(installed: Any) -> None:
    installed.put("0.30.0", gpu=False)
    with pytest.raises(UserError, match=r"`vllm` on a machine without a GPU\. Set engine=transformers"):
        check_engine(EngineConfig("vllm"))


def test_all_obstacles_are_named_at_once(installed: Any) -> None:
    installed.put(None, gpu=False)
    with pytest.raises(UserError) as caught:
        check_engine(EngineConfig("vllm"))
    assert ["vLLM" in str(caught.value), "GPU" in str(caught.value)] == [True, True]


def test_all_settings_out_of_range_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        check(EngineConfig("vllm", 1.0, float("nan"), 0.0), "engine")
    for fault, part in zip(caught.value.faults, ("utilization", "tolerance_max", "tolerance_mean"), strict=True):
        assert part in fault
    with pytest.raises(UserError, match=r"one of transformers, vllm, but got 'sglang'"):
        check(EngineConfig("sglang"), "engine")
