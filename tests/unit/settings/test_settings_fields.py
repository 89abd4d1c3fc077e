"""Every setting says what it means and which values it may take."""

import dataclasses
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_origin

import pytest

import ccps.settings
from ccps.core.convert import optional
from ccps.core.fields import default_of, rule_of
from ccps.core.settings import group_of, hints, named_group_of
from ccps.data.prompts import SystemRole
from ccps.faithful import Mode
from ccps.faithful.attention import Similarity
from ccps.faithful.lexicon import Aggregate
from ccps.faithful.segment import Unit
from ccps.reasoning.messages import ThinkTag
from ccps.settings.experiment import Config
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.settings.faithful.estimators import RccConfig
from ccps.settings.faithful.run import FaithfulConfig, FaithfulSettings
from ccps.settings.faithful.scoring import ScoringSettings
from ccps.settings.model import ModelConfig
from ccps.settings.sweep import SweptConfig
from experiments.benchmarks.settings import BenchConfig


def shapes() -> Iterator[type]:
    for found in pkgutil.walk_packages(ccps.settings.__path__, "ccps.settings."):
        module = importlib.import_module(found.name)
        for shape in vars(module).values():
            if dataclasses.is_dataclass(shape) and isinstance(shape, type) and shape.__module__ == found.name:
                yield shape
    yield BenchConfig


FIELDS = [(shape, item) for shape in shapes() for item in dataclasses.fields(shape)]
NAMES = [f"{shape.__name__}.{item.name}" for shape, item in FIELDS]


def test_the_whole_of_every_entry_point_is_among_them() -> None:
    assert {Config, SweptConfig, FaithfulConfig, BenchConfig} <= set(shapes())
    assert len(FIELDS) > 200


@pytest.mark.parametrize(("shape", "item"), FIELDS, ids=NAMES)
def test_every_setting_has_a_meaning(shape: type, item: dataclasses.Field[Any]) -> None:
    wanted = hints(shape)[item.name]
    help = rule_of(item).help
    assert help or (group_of(wanted) and group_of(wanted).__doc__), "a group may leave it to its own docstring"
    assert not help.endswith(".")
    assert "  " not in help


@pytest.mark.parametrize(("shape", "item"), FIELDS, ids=NAMES)
def test_every_number_has_bounds_and_a_default_within_them(shape: type, item: dataclasses.Field[Any]) -> None:
    wanted, rule, default = hints(shape)[item.name], rule_of(item), default_of(item)
    inner = optional(wanted) or wanted
    item_type = get_args(inner)[-1] if get_origin(inner) in (list, dict) else inner
    item_type = optional(item_type) or item_type
    is_number = item_type in (int, float)
    bounded = (rule.at_least is not None or rule.above is not None) and (
        rule.at_most is not None or rule.below is not None
    )
    assert bounded == is_number
    if group_of(wanted) is None and named_group_of(wanted) is None and not isinstance(default, Enum):
        is_empty_by_default = rule.not_empty and not default
        assert default == "???" or is_empty_by_default or rule.wanted(default) is None


def test_words_that_stand_in_two_rooms_are_the_same() -> None:
    """Settings load no other room, so what only a type hint says there is said again here."""
    said = {
        (ModelConfig, "system_role"): SystemRole,
        (FaithfulSettings, "mode"): Mode,
        (ScoringSettings, "mode"): Mode,
        (FaithfulSettings, "unit"): Unit,
        (FaithfulSettings, "think_tag"): ThinkTag,
        (RccConfig, "similarity"): Similarity,
        (DecisivenessConfig, "aggregate"): Aggregate,
    }
    for (shape, name), words in said.items():
        (item,) = (item for item in dataclasses.fields(shape) if item.name == name)
        assert set(rule_of(item).one_of) == set(get_args(words))


def test_settings_load_nothing_heavy() -> None:
    code = (
        "import sys, ccps.settings.sweep, ccps.settings.faithful.run\n"
        "import experiments.launch, experiments.benchmarks.settings\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "lightning", "pandas", "numpy", "sklearn", "pyarrow"} & set(loaded)
    assert "ccps" in loaded
