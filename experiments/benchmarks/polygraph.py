"""lm-polygraph in a process and an environment of its own: its transformers is another than ours."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Self

from ccps.core.errors import UserError
from ccps.llm import LanguageModel

BATCH = 8
_WORKER = Path(__file__).with_name("polygraph_worker.py")
_LAST = 300


class Polygraph(AbstractContextManager["Polygraph"]):
    """A process that holds the model and scores the same prompts whenever it is told to.

    Args:
        python: of an environment that has lm-polygraph.
        lm: whose weights it takes, in the same type.
        prompts: texts, word for word as the model reads them.
        threads: of torch.

    Raises:
        UserError: it cannot be started, or reads other tokens in these prompts.
    """

    def __init__(self, python: str, lm: LanguageModel, prompts: Sequence[str], threads: int) -> None:
        if lm.files.folder is None:
            raise UserError("a model of random weights has no files that lm-polygraph could load.")
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        environment.pop("PYTHONPATH", None)  # what is ours is not its
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- as long as the process
        try:
            self._process = subprocess.Popen(
                [python, str(_WORKER)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
            )
        except OSError as error:
            self._said.close()
            raise UserError(f"`{python}` cannot be started: {error.strerror}.") from error
        said = self._ask({"model": str(lm.files.folder), "dtype": lm.files.config.dtype, "prompts": list(prompts)})
        own = [len(lm.tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts]
        if said["tokens"] != own:
            self.__exit__()
            raise UserError(f"lm-polygraph reads {sum(said['tokens'])} tokens in prompts of {sum(own)}.")

    def singly(self) -> list[float]:
        """Its uncertainty of each answer, one prompt at a time."""
        return [float(value) for value in self._ask({"batch": 1})["values"]]

    def batched(self) -> list[float]:
        """The same in batches."""
        return [float(value) for value in self._ask({"batch": BATCH})["values"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # what it said as it ended is told below
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = self._said.read().strip()[-_LAST:]
            self.__exit__()
            raise UserError(f"lm-polygraph's process ended: {last}")
        found: dict[str, Any] = json.loads(line)
        return found
