from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.keys import digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_digest_has_no_regard_for_the_order_of_keys(value: Any) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)
    assert len(digest(value)) == 16


def test_what_has_no_exact_form_is_not_hashed() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"radius": float("nan")})
    with pytest.raises(TypeError):
        digest({"path": Path("x")})
