"""A scorer goes to a hub and comes back by the hub's own client, which is told of another address."""

import os
import subprocess
import sys
from pathlib import Path

from hub_server import hub_server

from ccps.asking.interview import Manner
from ccps.llm import ModelConfig, find_model
from ccps.methods import METHODS, Method
from ccps.methods.calibrated import Untrained
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer

SCRIPT = """
import sys
from ccps import ConfidenceScorer
scorer = ConfidenceScorer.load(sys.argv[1])
print(scorer.push_to_hub("me/scorer", licence="mit"))
questions = ["Who?", "What, and why?"]
assert ConfidenceScorer.load("me/scorer").predict_proba(questions).tolist() == scorer.predict_proba(questions).tolist()
"""
TINY = {"vocab_size": 259, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def stored(folder: Path) -> None:
    """A scorer of a tiny random model that learns nothing."""
    config = ModelConfig(source="random", location="llama", dtype="float32", architecture=TINY)
    fingerprint = find_model("tiny", config).fingerprint
    settings = ScorerSettings(
        "tiny", config, fingerprint, 20.0, 5, "oe", Manner(max_new_tokens=4), "answer_probability"
    )
    method = METHODS["answer_probability"]
    assert isinstance(method, Method)
    StoredScorer(Untrained(method), settings).save(folder)


def run(folder: Path, address: str, token: str) -> "subprocess.CompletedProcess[str]":
    own = {"HF_ENDPOINT": address, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "home")}
    command = [sys.executable, "-c", SCRIPT, str(folder / "scorer")]
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True, timeout=600)


def test_there_and_back(tmp_path: Path) -> None:
    stored(tmp_path / "scorer")
    with hub_server(tmp_path / "hub") as address:
        ended = run(tmp_path, address, "hf_of_a_test")
        refused = run(tmp_path, address, "hf_of_another")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("/me/scorer")
    kept = {path.name for path in (tmp_path / "hub" / "me" / "scorer").iterdir()}
    assert kept == {"scorer.json", "README.md"}
    assert 'license: "mit"' in (tmp_path / "hub" / "me" / "scorer" / "README.md").read_text()
    assert "UserError: Expected to write the scorer into the hub repository `me/scorer`" in refused.stderr
