"""What of a command line is a plan's, and which device it is made for."""

from pathlib import Path

import pytest

from ccps.core.errors import UserError
from ccps.settings.plan import DeviceConfig
from experiments import planning
from experiments.configs import CONF
from experiments.planning import device_named, devices, known_shapes, plan_config, without_plan


def test_a_command_line_without_a_plan_stays_as_it_is() -> None:
    given = ["experiment=smoke", "planet=mars", "-m"]
    assert without_plan(given) == (given, None)
    assert without_plan([*given, "plan=false"]) == (given, None)


def test_the_settings_of_a_plan_are_taken_from_it() -> None:
    rest, config = without_plan(
        ["experiment=smoke", "plan=true", "plan.device=h100", "plan.price_per_hour=2.5", "plan.by=[model]"]
    )
    assert rest == ["experiment=smoke"]
    assert config is not None
    assert (config.device, config.price_per_hour, config.by) == ("h100", 2.5, ["model"])


def test_nested_settings_too() -> None:
    config = plan_config(["plan.questions.mmlu.n=5", "plan.questions.mine={n: 7, tokens: 9}"])
    assert (config.questions["mmlu"].n, config.questions["mmlu"].tokens) == (5, 110)
    assert (config.questions["mine"].n, config.questions["mine"].tokens) == (7, 9)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["plan=maybe"], "true or false"),
        (["plan.times=2"], "Add plan=true"),
        (["plan=true", "plan.time=2"], "times"),
        (["plan=true", "plan.times=0"], "plan.times"),
        (["plan=true", "plan.by=[colour]"], "colour"),
        (["plan=true", "plan.price_per_hour=-1"], "plan.price_per_hour"),
        (["plan=true", "plan.questions.mmlu.n=none"], "plan.questions.mmlu.n"),
    ],
)
def test_what_does_not_fit_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        without_plan(given)


def test_every_file_of_a_device_fits_and_names_its_source() -> None:
    assert set(devices()) == {path.stem for path in (CONF / "device").glob("*.yaml")}
    assert {"a100", "h100", "h200", "l40s", "rtx4090"} <= set(devices())
    assert all(device.source for device in devices().values())


def test_a_device_goes_by_its_name() -> None:
    assert device_named("h200") == "h200"
    with pytest.raises(UserError, match="conf/device"):
        device_named("abacus")


def test_or_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "this_machine", lambda: "NVIDIA H100 80GB HBM3")
    assert device_named(None) == "h100"
    monkeypatch.setattr(planning, "this_machine", lambda: "Some Processor, 3 cores, avx2")
    with pytest.raises(UserError, match="Some Processor, 3 cores"):
        device_named(None)


def test_models_with_random_weights_stand_for_those_of_the_same_sizes() -> None:
    shapes = known_shapes()
    assert {"llama31_8b", "qwen25_14b", "mistral_small_24b", "qwen25_32b"} <= set(shapes)
    assert shapes["llama31_8b"].architecture["hidden_size"] == 4096


def test_peaks_that_are_missing_are_refused() -> None:
    config = DeviceConfig("a", "cpu", [], {"bfloat16": 1.0}, 1.0, 1.0, 0.0, {"read": 0.5, "think": 0.5}, "nowhere")
    faults = [str(fault) for fault in config.cross_faults()]
    wanted = ("peak.float16", "peak.float32", "think")
    assert [any(name in text for text in faults) for name in wanted] == [True] * 3
    assert Path(CONF / "plan.yaml").is_file()
