from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing here reads or writes the user's cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CCPS_CACHE", str(folder))
    return folder
