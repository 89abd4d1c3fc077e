"""The bridge to lm-polygraph, on its base classes or on what stands in for them."""

import sys
from collections.abc import Iterator
from importlib import import_module, util
from types import ModuleType
from typing import Any

import pytest

MODULE = "ccps.integrations.lm_polygraph"


class StatCalculator:
    """Takes its names from `meta_info`, as lm-polygraph 0.7 documents it."""

    def __init__(self) -> None:
        self.stats, self.stat_dependencies = type(self).meta_info()  # type: ignore[attr-defined]


class Estimator:
    """Takes the statistics that it depends on, and its level."""

    def __init__(self, stats_dependencies: list[str], level: str) -> None:
        self.stats_dependencies, self.level = stats_dependencies, level


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if util.find_spec("lm_polygraph") is None:
        monkeypatch.setitem(sys.modules, "lm_polygraph", ModuleType("lm_polygraph"))
        for room, file, base in (
            ("estimators", "estimator", Estimator),
            ("stat_calculators", "stat_calculator", StatCalculator),
        ):
            module = ModuleType(f"lm_polygraph.{room}.{file}")
            setattr(module, base.__name__, base)
            monkeypatch.setitem(sys.modules, f"lm_polygraph.{room}", ModuleType(f"lm_polygraph.{room}"))
            monkeypatch.setitem(sys.modules, module.__name__, module)
    sys.modules.pop(MODULE, None)
    yield import_module(MODULE)
    sys.modules.pop(MODULE, None)
