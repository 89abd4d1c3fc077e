"""A scorer does without what runs stages: Lightning takes longer to import than all else that a scorer needs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOOKS = """
import sys
from ccps import ConfidenceScorer
from ccps.methods import METHODS
from ccps.needs.base import NEEDS
assert len(METHODS) > 20
assert all(NEEDS[name].is_portable for name in ("answer_states", "layer_states", "self_evaluation"))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_neither_the_import_nor_methods_and_what_one_pass_gives_load_lightning() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.split())
    assert {"torch", "ccps"} <= loaded
    assert not {"lightning", "torchmetrics", "wandb"} & loaded
