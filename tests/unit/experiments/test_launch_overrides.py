from typing import Any

import pytest

from ccps.core.settings import SettingsError
from ccps.stages.main.checks import to_config
from experiments.configs import CONF
from experiments.launch import checked_overrides, job_name


def checked(*overrides: str, multirun: bool = False) -> list[str]:
    return checked_overrides(overrides, "config", to_config, multirun=multirun)


def faults(*overrides: str, multirun: bool = False) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        checked(*overrides, multirun=multirun)
    return caught.value.faults


def test_nothing_is_fine() -> None:
    assert checked() == []


def test_values_are_forced_and_groups_are_not() -> None:
    given = ["seeds=[1]", "experiment=smoke", "benchmark@test=[mmlu]", "~method.entropy", "++seeds=[2]"]
    assert checked(*given) == ["++seeds=[1]", *given[1:]]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("sede=[1]", "unknown setting `sede`: did you mean `seeds`?"),
        ("sampling.trian_total=5", "unknown setting `sampling.trian_total`: did you mean `train_total`?"),
        ("+sampling.extra=5", "unknown setting `sampling.extra`"),
        ("sampling.train_total=many", "expected `sampling.train_total` to be a whole number or null, but got 'many'"),
        ("model=smolm2_135m", "unknown choice `model=smolm2_135m`: did you mean `smollm2_135m`?"),
        ("model=[qwen25_14b,gpt]", "unknown choice `model=gpt`"),
        ("benchmark@test=[mmlux]", "unknown choice `benchmark=mmlux`: did you mean `mmlu`?"),
        ("experiment=embeded", "unknown choice `experiment=embeded`: did you mean `embedded`?"),
        ("benchmark=mmlu", "expected `benchmark` to say what for: benchmark@train=mmlu or benchmark@test=mmlu"),
        ("test=[mmlu]", "expected `test` to be chosen as a group: benchmark@test=[mmlu]"),
        ("just words", "expected `key=value`, but got `just words`"),
        ("seeds=[1", "expected `key=value`, but got `seeds=[1`"),
        ("paths.output=${nowhere}", "a setting refers to one that does not exist"),
        ("perturbation.radius=5,10", "expected one value, but got `perturbation.radius=5,10`: add -m"),
        ("~sampling.nothing", "Could not delete from config"),
    ],
)
def test_each_fault_of_a_command_line_is_named(override: str, fault: str) -> None:
    found = faults(override)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_several_faults_come_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        checked("sede=[1]", "model=gpt", "x y", "answering.method=5", "answering.metod=5", "seeds=a")
    message = str(caught.value)
    assert message.startswith("6 settings are at fault, nothing was run:")
    for part in ("`sede`", "`model=gpt`", "`x y`", "`answering.method`", "`answering.metod`", "`seeds`"):
        assert part in message


def test_a_sweep_is_taken_apart_and_every_value_checked() -> None:
    assert checked("perturbation.radius=5,10", multirun=True) == ["++perturbation.radius=5,10"]
    assert checked("experiment=smoke,embedded", "seeds=[1],[2]", multirun=True)[1] == "++seeds=[1],[2]"
    models = ", ".join(sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
    assert faults("perturbation.radius=5,far", "model=qwen25_14b,gpt", multirun=True) == [
        f"unknown choice `model=gpt`: known here: {models}",
        "expected `perturbation.radius` to be a number, but got 'far'",
    ]
    assert "written out" in faults("perturbation.radius=interval(1,2)", multirun=True)[0]


@pytest.mark.parametrize(
    ("own", "common", "name"),
    [
        (["++perturbation.radius=5"], ["++perturbation.radius=5,10"], "perturbation.radius=5"),
        (["experiment=smoke", "++seeds=[1,2]"], ["experiment=smoke", "++seeds=[1,2],[3]"], "seeds=1,2"),
        (["++seeds=[1,2]", "model=a"], ["++seeds=[1, 2]", "model=a,b"], "model=a"),
        (
            ["model=a", "++paths.artifacts=/x/y"],
            ["model=a,b", "++paths.artifacts=/x/y,z"],
            "model=a,paths.artifacts=_x_y",
        ),
        (["experiment=smoke"], ["experiment=smoke"], ""),
    ],
)
def test_a_job_is_named_after_what_is_swept(own: list[str], common: list[str], name: str) -> None:
    assert job_name(own, common) == name


def test_the_check_decides_what_fits() -> None:
    seen: list[dict[str, Any]] = []
    checked_overrides(["seeds=[7]"], "config", seen.append)
    assert seen[0]["seeds"] == [7]
    assert "hydra" not in seen[0]
