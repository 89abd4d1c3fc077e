"""Inputs that are wrong, in one table: what is done with each, by a name; all of it is to be refused."""

from collections.abc import Callable
from pathlib import Path

Act = Callable[[Path], object]
"""Does something wrong, with a folder of its own."""
