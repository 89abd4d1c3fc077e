"""Confidence methods: one file each, one interface."""

from collections.abc import Mapping

from ccps.errors import expected
from ccps.methods.answer_probability import AnswerProbability
from ccps.methods.base import Evidence, Method
from ccps.methods.ccps import CCPS
from ccps.methods.entropy import Entropy

METHODS: Mapping[str, Method] = {method.name: method for method in (CCPS(), AnswerProbability(), Entropy())}


def find_method(name: str) -> Method:
    """Look a method up by name.

    Raises:
        UserError: there is no such method.
    """
    if name not in METHODS:
        raise expected("`method`", f"one of {', '.join(METHODS)}", repr(name), "Choose one of these.")
    return METHODS[name]


__all__ = ["METHODS", "Evidence", "Method", "find_method"]
