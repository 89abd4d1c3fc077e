"""What the keys of the reader of traces do, on a stand-in for a page."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import ccps.report

SCRIPT = Path(ccps.report.__file__).parent / "faithful" / "traces.js"
PAGE = Path(__file__).parents[3] / "data_files" / "report" / "keys.js"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_keys_lead_through_steps_traces_and_orders() -> None:
    told = json.loads(subprocess.run(["node", PAGE, SCRIPT], check=True, capture_output=True, timeout=60).stdout)
    assert told["helps"]
    # Key, trace and step, order of the first trace's steps, which traces are open, whether what was said instead shows.
    assert told["seen"] == [
        ["ArrowDown", None, "1234", "true,false,false", None],  # the browser's, until a step is chosen
        ["j", [0, "1"], "1234", "true,false,false", False],
        ["ArrowDown", [0, "2"], "1234", "true,false,false", False],
        ["ArrowDown", [0, "3"], "1234", "true,false,false", False],
        ["k", [0, "2"], "1234", "true,false,false", False],
        ["Enter", [0, "2"], "1234", "true,false,false", True],
        ["Enter", [0, "2"], "1234", "true,false,false", False],
        # D − C of the steps is 0.1, 0.9, unknown and −0.3: sure words first, then unsure ones, then as written.
        ["s", [0, "2"], "2143", "true,false,false", False],
        ["s", [0, "4"], "4123", "true,false,false", False],
        ["s", [0, "1"], "1234", "true,false,false", False],
        ["ArrowRight", [2, "1"], "1234", "false,false,true", False],  # over the trace without steps
        ["ArrowRight", [2, "1"], "1234", "false,false,true", False],
        ["ArrowLeft", [0, "1"], "1234", "true,false,false", False],
    ]
