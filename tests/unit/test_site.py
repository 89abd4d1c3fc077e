"""The pages of docs/ as a site: both builders take the same mkdocs.yml, and neither has anything to warn of."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# `zensical build` knows no other folder than the one in mkdocs.yml, so either builds in a copy.
BUILDERS = {"mkdocs": ["mkdocs", "build", "--strict"], "zensical": ["zensical", "build", "--clean", "--strict"]}


@pytest.fixture(params=BUILDERS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for part in ("docs", "ccps", "conf", "experiments"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    # No colours, which would stand between a warning and its words; nor a word on the builder's own future.
    env = {**os.environ, "NO_COLOR": "1", "NO_MKDOCS_2_WARNING": "1"}
    [module, *arguments] = BUILDERS[request.param]
    built = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return tmp_path / "site"


@pytest.mark.slow
def test_every_page_is_built_and_the_reference_is_written_from_docstrings(site: Path) -> None:
    pages = [file.relative_to(ROOT / "docs") for file in (ROOT / "docs").rglob("*.md")]
    built = {page: site / page.with_suffix("") / "index.html" for page in pages if page.stem != "index"}
    assert [page for page, file in built.items() if not file.exists()] == []
    reference = re.sub(r"<[^>]+>", "", (site / "api" / "index.html").read_text(encoding="utf-8"))
    for name in ("ConfidenceScorer", "stability_features", "flip_radius", "cmfg_star", "evaluate", "rcc"):
        assert re.search(rf"\b{name}\(", reference)
