"""All methods by name."""

from typing import TypeVar

from ccps.core.registry import Registry
from ccps.methods.base import Method, TrainedMethod
from ccps.methods.calibrated import calibrated

METHODS = Registry[Method | TrainedMethod]("method", "ccps.methods", place=lambda method: method.place)
"""In the order in which lists and pages name them."""

M = TypeVar("M", bound=Method | TrainedMethod)


def register(method: type[M]) -> type[M]:
    """Add a method to `METHODS`; a class decorator.

    Raises:
        ValueError: there is one of this name.
    """
    METHODS.register(method.name, method())
    return method


def find_method(name: str, calibrator: str | None = None) -> Method | TrainedMethod:
    """Look a method up by name, with a calibrator on top if one is named.

    Raises:
        UserError: there is no such method, or no such calibrator.
    """
    method = METHODS.find(name)
    return method if calibrator is None else calibrated(method, calibrator)
