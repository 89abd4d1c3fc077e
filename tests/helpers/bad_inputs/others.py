"""Models, graders, scorers and command lines that are not what they should be."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from bad_inputs import Act
from ccps import ConfidenceScorer
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.grading import GraderConfig, JudgeConfig, check_grader
from ccps.llm import ModelConfig, find_model, load_model
from ccps.scorer.answers import with_answers
from ccps.scorer.questions import as_asked
from ccps.settings.experiment import Config
from experiments import bench, reproduce
from experiments.benchmarks.settings import BenchConfig
from experiments.launch import launch

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
SCORER = {"format_version": 3}


def _model(files: dict[str, bytes], **changes: Any) -> Act:
    def act(folder: Path) -> object:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        config = ModelConfig(**{"source": "folder", "location": str(folder), **changes})
        return load_model(find_model("own", config), "cpu")

    return act


def _gguf(content: bytes) -> Act:
    def act(folder: Path) -> object:
        return _model({"own.gguf": content}, source="gguf", location=str(folder / "own.gguf"))(folder)

    return act


def _config(**changes: Any) -> bytes:
    return json.dumps(CONFIG | changes).encode()


def _safetensors(head: bytes) -> dict[str, bytes]:
    return {"config.json": _config(), "tokenizer.json": b"{}", "model.safetensors": head}


MODELS: dict[str, Act] = {
    "no such folder": _model({}, location="/nowhere/at/all"),
    "an empty folder": _model({}),
    "a file for a folder": lambda folder: _model({"file": b""}, location=str(folder / "file"))(folder),
    "no such source": _model({}, source="telepathy"),
    "no such type": _model({}, source="random", location="abacus"),
    "no such asset": _model({}, source="asset", location="nothing"),
    "a configuration alone": _model({"config.json": _config()}),
    "a configuration that is no JSON": _model({"config.json": b"{"}),
    "a configuration that is a list": _model({"config.json": b"[]"}),
    "a configuration of sizes that do not go together": _model(
        _safetensors(b"") | {"config.json": _config(hidden_size=31, num_attention_heads=2)}
    ),
    "a configuration of no heads": _model(_safetensors(b"") | {"config.json": _config(num_attention_heads=0)}),
    "a configuration whose type is a list": _model(_safetensors(b"") | {"config.json": _config(model_type=[1])}),
    "a configuration of half precision and a half": _model(_safetensors(b"") | {"config.json": _config(dtype="x")}),
    "a configuration of words for numbers": _model(_safetensors(b"") | {"config.json": _config(hidden_size="x")}),
    "an index that is a list": _model(_safetensors(b"") | {"model.safetensors.index.json": b"[]"}),
    "an index that leads elsewhere": _model(
        _safetensors(b"") | {"model.safetensors.index.json": b'{"weight_map": {"a": "../b.safetensors"}}'}
    ),
    "a generation configuration that is a list": _model(_safetensors(b"") | {"generation_config.json": b"[]"}),
    "a generation configuration that is no JSON": _model(_safetensors(b"") | {"generation_config.json": b"{"}),
    "code of its own": _model(_safetensors(b"") | {"config.json": _config(auto_map={"AutoModel": "m.M"})}),
    "pickled weights": _model({"config.json": _config(), "tokenizer.json": b"{}", "pytorch_model.bin": b"\x80\x04."}),
    "weights of no bytes": _model(_safetensors(b"")),
    "weights that are a text": _model(_safetensors(b"these are weights")),
    "a header beyond the file": _model(_safetensors((2**40).to_bytes(8, "little") + b"{}")),
    "an adapter alone": _model({"adapter_config.json": b"{}", "adapter_model.safetensors": b""}),
    "a GGUF file of no bytes": _gguf(b""),
    "a GGUF file of another kind": _gguf(b"GGML" + bytes(60)),
    "a GGUF file of a version to come": _gguf(b"GGUF" + (99).to_bytes(4, "little") + bytes(60)),
    "a GGUF file that ends in its header": _gguf(b"GGUF\x03\x00\x00\x00" + b"\xff" * 16),
}


def _judge(**changes: Any) -> Act:
    judge = {"base_url": "https://host.example/v1", "model": "m", **changes}
    return lambda folder: check_grader(GraderConfig("llm_judge", judge=JudgeConfig(**judge)))


GRADERS: dict[str, Act] = {
    "no such grader": lambda folder: check_grader(GraderConfig("nothing")),
    "a name nearly right": lambda folder: check_grader(GraderConfig("normalized")),
    "a threshold above 1": lambda folder: check_grader(GraderConfig("f1", 2.0)),
    "a threshold below 0": lambda folder: check_grader(GraderConfig("f1", -0.5)),
    "a judge without settings": lambda folder: check_grader(GraderConfig("llm_judge")),
    "a judge without an address": _judge(base_url=None),
    "a judge at no address": _judge(base_url="nowhere"),
    "a judge with a password": _judge(base_url="https://me:secret@host.example/v1"),
    "a judge at a file": _judge(base_url="file:///etc/passwd"),
    "a judge without a model": _judge(model=None),
    "a judge asked by nobody": _judge(concurrency=0),
    "a judge without patience": _judge(timeout_s=0),
    "a judge of endless patience": _judge(timeout_s=float("inf")),
    "a judge that may say nothing": _judge(max_tokens=0),
    "a judge below the freezing point": _judge(temperature=-1),
}


def _asked(item: Any, format: str = "mc") -> Act:
    return lambda folder: as_asked([item], format)


def _answered(answers: Any) -> Act:
    questions = as_asked([{"text": "Red?", "options": ["yes", "no"]}] * 2, "mc")
    return lambda folder: with_answers(questions, answers)


def _stored(content: str | None) -> Act:
    def act(folder: Path) -> object:
        if content is not None:
            (folder / "scorer.json").write_text(content)
        return ConfidenceScorer.load(folder)

    return act


def _several(questions: Any) -> Act:
    return lambda folder: as_asked(questions)


def _made(**fields: Any) -> Act:
    whole = {
        "id": "1",
        "subject": "",
        "text": "Red?",
        "options": ("yes", "no"),
        "accepted": (),
        "split": "",
        "source": "",
    }
    return _asked(Question(**whole | fields))


TWO = ["yes", "no"]
SCORERS: dict[str, Act] = {
    "a question that is a text": _asked("Red?"),
    "a question that is none": _asked(None),
    "a question that is a list": _asked(["Red?"]),
    "no text": _asked({"options": TWO}),
    "an empty text": _asked({"text": " ", "options": TWO}),
    "a text that is a list": _asked({"text": ["Red?"], "options": TWO}),
    "a text of bytes": _asked({"text": b"Red?", "options": TWO}),
    "half a surrogate pair": _asked({"text": "Red \ud83d?", "options": TWO}),
    "no options": _asked({"text": "Red?"}),
    "one option": _asked({"text": "Red?", "options": ["yes"]}),
    "options that are a text": _asked({"text": "Red?", "options": "yes"}),
    "options that are objects": _asked({"text": "Red?", "options": [{"text": "yes"}, {"text": "no"}]}),
    "27 options": _asked({"text": "Red?", "options": [f"option {n}" for n in range(27)]}),
    "options of an open-ended question": _asked({"text": "Red?", "options": TWO}, "oe"),
    "an id that is a list": _asked({"text": "Red?", "options": TWO, "id": ["1"]}),
    "too few answers": _answered(["A"]),
    "answers that are a text": _answered("AB"),
    "answers that are lists": _answered([["A"], ["B"]]),
    "an empty answer": _answered(["A", " "]),
    "an answer that is none": _answered(["A", None]),
    "a number for a question": _asked(7),
    "an integer of thousands of digits": _asked(10**5000),
    "a text that is not a number": _asked({"text": float("nan"), "options": TWO}),
    "a text of no kind": _asked({"text": object(), "options": TWO}),
    "a signalling decimal": _asked({"text": Decimal("sNaN"), "options": TWO}),
    "a text that shows nothing": _asked({"text": "\u200b", "options": TWO}),
    "a text that prints a list": _asked({"text": "['Red?']", "options": TWO}),
    "an option that shows nothing": _asked({"text": "Red?", "options": ["yes", "\ufeff"]}),
    "options in two rows": _asked({"text": "Red?", "options": np.array([TWO, TWO])}),
    "options by letter": _asked({"text": "Red?", "options": {"A": "yes", "B": "no"}}),
    "an answer that shows nothing": _answered(["A", "\u200b"]),
    "one question alone": _several({"text": "Red?", "options": TWO}),
    "one text alone": _several("Red?"),
    "no questions but nothing": _several(None),
    "an array of no row": _several(np.array("Red?")),
    "a made question without a text": _made(text=None),
    "a made question of bytes": _made(text=b"Red?"),
    "a made question with a list among its options": _made(options=("yes", ["no"])),
    "a made question whose options are a text": _made(options="yes"),
    "a made question with a mapping for an answer": _made(given_answer={"text": "yes"}),
    "no scorer in a folder": _stored(None),
    "a scorer that is no JSON": _stored("{"),
    "a scorer that is a list": _stored("[]"),
    "a scorer without a version": _stored("{}"),
    "a scorer of a version to come": _stored('{"format_version": 99}'),
    "a scorer without settings": _stored(json.dumps(SCORER)),
}


def _command(*arguments: str, entry: Any = reproduce) -> Act:
    """Start an entry point in this process; refused is what leaves with code 2, its last line the reason."""

    def act(folder: Path) -> object:
        places = () if entry is bench else (f"paths.artifacts={folder / 'artifacts'}", f"paths.output={folder / 'out'}")
        name, shape = ("bench", BenchConfig) if entry is bench else ("config", Config)
        said: list[str] = []
        with (
            patch.object(sys, "argv", ["entry", *arguments, *places]),
            patch.object(sys.stderr, "write", said.append),
        ):
            try:
                launch(_never, entry.check, name, shape)
            except SystemExit as ended:
                if ended.code == 2:
                    raise UserError("".join(said).strip()) from None
                raise
        return None

    return act


def _never(settings: Any) -> None:
    raise AssertionError("the run has begun")


COMMANDS: dict[str, Act] = {
    "no equals sign": _command("seeds"),
    "a bracket left open": _command("seeds=[1"),
    "no such experiment": _command("experiment=nothing"),
    "no such model": _command("model=[nothing]"),
    "no such group": _command("models=[tiny_random]"),
    "a group set to null": _command("perturbation=null"),
    "a sweep without -m": _command("seeds=1,2"),
    "a benchmark for nothing": _command("benchmark=[mmlu]"),
    "a setting of another": _command("seeds=${nothing}"),
    "no such part": _command("parts=[nothing]", entry=bench),
    "no such device": _command("device=abacus", entry=bench),
}
CASES: dict[str, Act] = {
    f"{kind}: {name}": act
    for kind, cases in (("model", MODELS), ("grader", GRADERS), ("scorer", SCORERS), ("command", COMMANDS))
    for name, act in cases.items()
}
