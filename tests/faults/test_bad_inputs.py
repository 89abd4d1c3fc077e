"""What is wrong is refused in the house's words: by entry points, loaders, graders; for models, traces, scorers."""

import re
from pathlib import Path

import pytest
from bad_inputs import Act, data, others, settings, traces
from toy_jobs import contents

from ccps.core.errors import UserError

CASES: dict[str, Act] = {
    f"{kind}: {name}": act
    for kind, cases in (
        ("settings", settings.CASES),
        ("data", data.CASES),
        ("traces", traces.CASES),
        ("others", others.CASES),
    )
    for name, act in cases.items()
}
# How the house's errors begin.
BEGINS = re.compile(
    r"Expected |One setting is at fault|\d+ settings are at fault|The artifact .* is broken|Cannot |"
    r"Model `own` cannot be loaded from "
)


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 120


@pytest.mark.parametrize("act", CASES.values(), ids=CASES)
def test_refused(act: Act, tmp_path: Path) -> None:
    artifact = tmp_path / "artifacts" / "answer" / "KEY" / "manifest.json"
    artifact.parent.mkdir(parents=True)
    artifact.write_text("{}")
    with pytest.raises(UserError) as caught:
        act(tmp_path)
    message = str(caught.value)
    assert BEGINS.match(message), message
    assert "Traceback" not in message
    assert len(message) < 3000
    assert contents(artifact.parent) == {"manifest.json": b"{}"}
    assert not (tmp_path / "out").exists()
