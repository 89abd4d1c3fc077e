from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ccps.core.artifacts import Artifact


@pytest.fixture
def artifact(tmp_path: Path) -> "Artifact":
    """Nothing of it written yet."""
    from filled_artifacts import INPUTS

    from ccps.core.artifacts import Artifact

    return Artifact.at(tmp_path, "extract", INPUTS)
