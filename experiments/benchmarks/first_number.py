"""The first number of a scorer that was saved: a new process, from its start to P(correct) of one question."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace

from ccps import ConfidenceScorer
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import LanguageModel
from experiments.benchmarks.page import Figure, Target
from experiments.benchmarks.scorer import fitted
from experiments.benchmarks.timing import spread, take_turns

TITLE = "The first number of a scorer"
FIRST, OURS, IMPORT = (Target("≤", bound) for bound in (20, 3, 1))
TEXT = (
    "A new process, from its start to P(correct) of one question with four options, by a scorer of the method `stack` "
    "that was saved; the model lies in the cache. Ours of that are reading the scorer's files and all that is done "
    "with the question but for the layers of the model; what is neither is Python's start, libraries, and loading "
    "the model."
)
_FIRST, _OURS, _LAYERS, _IMPORT = (
    "From nothing to the first number",
    "Of it ours: the scorer's files and the question",
    "Of it the model's layers on the question",
    "Of it `import ccps`",
)
_PROCESS = """
import json, sys, time
begun = time.perf_counter()
import ccps
imported = time.perf_counter()
from ccps import ConfidenceScorer
loading = time.perf_counter()
scorer = ConfidenceScorer.load(sys.argv[1])
loaded = time.perf_counter()
scorer.open()
from torch.nn.modules import module
layers = []
def note(one, sign):
    if type(one).__name__.endswith("DecoderLayer"):
        layers.append(sign * time.perf_counter())
module.register_module_forward_pre_hook(lambda one, *_: note(one, -1))
module.register_module_forward_hook(lambda one, *_: note(one, 1))
opened = time.perf_counter()
[p] = scorer.predict_proba(json.loads(sys.argv[2]))
answered = time.perf_counter()
own = loaded - loading + answered - opened - sum(layers)
print(json.dumps({"imported": imported - begun, "own": own, "layers": sum(layers), "calls": len(layers) // 2}))
"""


def missing(name: str, reason: str) -> list[Figure]:
    """What stands in the place of a model's figures if it is not to be had."""
    return [Figure.missing(_FIRST, name, reason, FIRST), Figure.missing(_OURS, name, reason, OURS)]


def measure_first_number(lm: LanguageModel, choice: Sequence[Question], repetitions: int, threads: int) -> list[Figure]:
    """Time processes that load the scorer as it would be had it been fitted by the model's name.

    Args:
        lm: the model.
        choice: questions with options, those that are accepted known.
        repetitions: how often, after one that is not counted.
        threads: of torch.

    Raises:
        UserError: there are too few questions, nothing is to be learnt of the answers, a process fails, or the model's
            layers are not found.
    """
    scorer, [question, *_] = fitted(lm, choice)
    learnt = scorer.learnt
    settings = replace(
        learnt.stored.settings, model_name=lm.files.name, model=lm.files.config, fingerprint=lm.files.fingerprint
    )
    named = ConfidenceScorer.of(learnt._replace(stored=learnt.stored._replace(settings=settings)))
    asked = json.dumps([{"text": question.text, "options": list(question.options)}])
    parts = list[dict[str, float]]()
    with tempfile.TemporaryDirectory() as folder:
        named.save(folder)
        command = [sys.executable, "-c", _PROCESS, folder, asked]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}

        def first() -> None:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise UserError(f"A process that loads the scorer ended with {done.returncode}: {done.stderr[-300:]}")
            parts.append(json.loads(done.stdout.splitlines()[-1]))

        first()
        parts.clear()
        whole = take_turns({"first": first}, repetitions, f"first number, {lm.files.name}").seconds["first"]
    if not all(part["calls"] for part in parts):
        raise UserError("the layers of this model are not known by their name.")
    return _figures(lm.files.name, whole, parts)


def _figures(name: str, whole: Sequence[float], parts: Sequence[dict[str, float]]) -> list[Figure]:
    return [
        Figure.of(_FIRST, name, spread(whole), "s", FIRST),
        Figure.of(_OURS, name, spread(part["own"] for part in parts), "s", OURS),
        Figure.of(_LAYERS, name, spread(part["layers"] for part in parts), "s"),
        Figure.of(_IMPORT, name, spread(part["imported"] for part in parts), "s", IMPORT),
    ]
