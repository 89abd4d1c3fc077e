import json
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.core.stored import check_keys, read_json, write_json


def read(path: Path) -> Any:
    return read_json(path, "a recipe", 2, ["sugar", "eggs"], "Write it down again.")


def test_what_is_written_is_read_and_the_same_values_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_json(one, 2, {"sugar": 0.1, "eggs": ["ä", None]})
    write_json(other, 2, {"eggs": ["ä", None], "sugar": 0.1})
    assert one.read_bytes() == other.read_bytes()
    assert read(one) == {"sugar": 0.1, "eggs": ["ä", None]}
    assert json.loads(one.read_text())["format_version"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"recipe\.json` to be a recipe, but got .*No such file.* Write it down again\.$"),
        ("{", r"recipe\.json` to be a recipe, but got Expecting"),
        ("[]", r"Expected `format_version` in .* to be 2, but got None"),
        ('{"format_version": 1, "sugar": 1, "eggs": 2}', r"Expected `format_version` in .* to be 2, but got 1"),
        ('{"format_version": 2, "sugar": 1}', r"Expected the keys in .* to be \['eggs', 'format_version', 'sugar'\]"),
        ('{"format_version": 2, "sugar": 1, "eggs": 2, "salt": 3}', r"but got \['eggs', 'format_version', 'salt'"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        read(path)


def test_numbers_that_json_cannot_say_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", 1, {"value": float("nan")})


def test_keys_of_something_that_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Expected the keys in .* to be \['a'\], but got 3"):
        check_keys(3, ["a"], tmp_path, "")
    check_keys({"a": 1}, ["a"], tmp_path, "")
