from pathlib import Path
from typing import Any

import pytest
from filled_artifacts import INPUTS

from ccps.core.artifacts import Artifact


@pytest.fixture
def artifact(tmp_path: Path) -> Any:
    return Artifact.at(tmp_path, "extract", INPUTS)
