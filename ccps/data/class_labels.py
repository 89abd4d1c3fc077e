"""Columns of classes, as the library `datasets` stores them: numbers, whose names stand beside the data.

A 0 that is called "yes" is no 0 to who reads it. So the number goes on together with its name, and who asks for a text
gets the name.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

# Where the library notes the types of columns in Parquet files and Arrow streams.
_NOTED = b"huggingface"


class ClassLabel(int):
    """The number of a class, which knows the names of all classes."""

    names: tuple[str, ...]

    def __new__(cls, number: int, names: tuple[str, ...]) -> Self:
        """Class `number`, counted from 0, of those with these names."""
        label = super().__new__(cls, number)
        label.names = names
        return label

    @property
    def name(self) -> str:
        """What the class is called."""
        return self.names[self]


def features_in(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    """The types that the library has noted in the metadata of a table, by column; empty if it has not."""
    try:
        noted = json.loads((metadata or {})[_NOTED])["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return noted if isinstance(noted, Mapping) else {}


def with_names(value: Any, feature: Any) -> Any:
    """A value, every class in it as a `ClassLabel`.

    Args:
        value: of a column; what is no class of the feature (such as -1, for none) stays as it is.
        feature: the type of the column, as `datasets.Features.to_dict` has it.
    """
    if isinstance(feature, list) and len(feature) == 1:
        feature = {"feature": feature[0]}
    if not isinstance(feature, Mapping) or value is None:
        return value
    if feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        if isinstance(names, list) and type(value) is int and 0 <= value < len(names):
            return ClassLabel(value, tuple(map(str, names)))
        return value
    if "feature" in feature and not isinstance(value, Mapping):
        return [with_names(one, feature["feature"]) for one in value] if isinstance(value, list) else value
    inner = feature.get("feature", feature)
    if isinstance(value, Mapping) and isinstance(inner, Mapping):
        # A list of records is stored as a record of lists.
        return {
            key: with_names(one, [inner.get(key)] if "feature" in feature else inner.get(key))
            for key, one in value.items()
        }
    return value
