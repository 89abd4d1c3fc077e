from collections.abc import Iterator

import pytest
from nursery import Nursery, nursery


@pytest.fixture(scope="session", name="nursery")
def nursery_fixture() -> Iterator[Nursery]:
    """Runs programs that find loaded and read what every entry point loads and reads."""
    with nursery() as found:
        yield found
