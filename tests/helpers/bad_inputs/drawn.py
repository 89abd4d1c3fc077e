"""Many bad inputs, drawn with a fixed seed from what can be wrong: settings, files of questions and traces, models."""

import io
import json
import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bad_inputs import Act
from bad_inputs.data import ROW, SPEC
from bad_inputs.settings import CHECKS, base
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.llm import ModelConfig, find_model, load_model
from ccps.reasoning.jsonl import read_traces

# What no setting of a kind can be.
NO_NUMBER = ("ten", "10s", "1,5", "", True, [1], {"a": 1}, float("nan"))
NO_TEXT = ([1], {"a": 1}, True, "a\0b", "\ud800")
NO_TRUTH = ("maybe", 2, "", [True], {"a": 1}, 0.5)
NO_LIST = ({"a": 1}, 7, True)
NO_GROUP = (7, True, [1])
# Groups whose values are handed on as they are, to what is made of them.
_FREE = ("architecture", "chat_template_kwargs", "gpu_sizes", "claims")

Named = tuple[str, Act]


def settings(n: int, seed: int = 23) -> list[Named]:
    """Settings of all entry points, each with one value that cannot be."""
    places = [(entry, path, value) for entry in CHECKS for path, value in _leaves(base(entry), ())]
    dice = random.Random(seed)
    return [_setting(*dice.choice(places), dice) for _ in range(n)]


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path:
        yield path, value
    if isinstance(value, dict) and not set(path) & set(_FREE):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))


def _setting(entry: str, path: tuple[str, ...], value: Any, dice: random.Random) -> Named:
    bad: Any = dice.choice(_bad_for(value))

    def act(folder: Path) -> object:
        changed = deepcopy(base(entry))
        at = changed
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = bad
        return CHECKS[entry](changed)

    return f"{entry}: {'.'.join(path)}={bad!r}", act


def _bad_for(value: Any) -> tuple[Any, ...]:
    match value:
        case bool():
            return NO_TRUTH
        case int() | float():
            return NO_NUMBER
        case str():
            return NO_TEXT
        case list():
            return NO_LIST
        case dict():
            return NO_GROUP
    return ({"a": [{}]}, [[{}]])  # a setting that is empty may be of any kind, but of none that holds these


NO_FIELD: tuple[Any, ...] = (
    ["x"],
    {"a": 1},
    [["x"]],
    None,
    "",
    " ",
    "\u200b",
    "\ud83d",
    float("inf"),
    [],
    {},
    "['a', 'b']",
)
_TRACE_FIELDS: dict[str, tuple[Any, ...]] = {
    "text": (7, ["a"], {"a": 1}, "\ud800", True),
    "id": ([1], {"a": 1}, 1.5, True, "\udfff"),
    "question": ([1], {"a": 1}, 7, True, "\ud800"),
    "prompt": ([1], {"a": 1}, 7, True),
    "gold": ({"a": 1}, [[1]], True, [None], ["\ud800"]),
    "correct": ("perhaps", 2, [1], {"a": 1}, 0.5, -1),
    "ended": ("perhaps", 2, ["stop"], 0.5),
    "token_ids": (["a"], [-1], [1.5], [True], 7, "ab", [[1]], [10**30], {"a": 1}, [None]),
    "prompt_ids": (["a"], [-1], [1.5], 7, {"a": 1}),
    "offsets": (["a"], [[0]], [[0, 1, 2]], [[0.5, 1]], 7, [["a", "b"]]),
    "logprobs": ([0.5], ["a"], 7, [[-0.5]], {"a": -1}, [True], "x"),
    "top_logprobs": ([[0.5]], [["a"]], 7, ["ab"], [[[]]], {"a": 1}, [[True]]),
    "steps": (7, ["a"], {"a": 1}, [{}], [{"text": 7}], [{"text": "a", "x": 2}], [{"text": "a", "alternatives": "b"}]),
}


def files(n: int, seed: int = 23) -> list[Named]:
    """Files of questions by three loaders and of traces, with a bad value or cut off."""
    fields = [(field, value) for field in ROW for value in NO_FIELD if not (field in "ab" and value == "['a', 'b']")]
    found: list[Named] = []
    for field, value in fields:
        row = {**ROW, field: value}
        found.append(_questions(f"lines: {field}={value!r}", json.dumps(row).encode(), "own.jsonl"))
        if value != "['a', 'b']":
            found.append(_questions(f"list: {field}={value!r}", json.dumps([row]).encode(), "own.json"))
    for field in ROW:
        for value in (["x"], b"x", {"a": 1}, None):
            if not (field == "b" and value is None):
                found.append(_questions(f"Parquet: {field}={value!r}", _parquet({**ROW, field: value}), "own.parquet"))
    whole = {
        "own.parquet": _parquet(ROW),
        "own.json": json.dumps([ROW]).encode(),
        "own.jsonl": json.dumps(ROW).encode(),
    }
    for name, content in whole.items():
        cuts = range(1, len(content) - 1, max(1, len(content) // 40))
        found += [_questions(f"{name} of {cut} bytes", content[:cut], name) for cut in cuts]
    for key, values in _TRACE_FIELDS.items():
        for value in values:
            base_row = (
                {"text": "a b", "token_ids": [1]} if key in ("offsets", "logprobs", "top_logprobs") else {"text": "a b"}
            )
            found.append(_traces(f"traces: {key}={value!r}", json.dumps({**base_row, key: value}).encode()))
    return random.Random(seed).sample(found, n)


def _parquet(row: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), file)
    return file.getvalue()


def _questions(name: str, content: bytes, file: str) -> Named:
    def act(folder: Path) -> object:
        (folder / file).write_bytes(content)
        return load_questions(BenchmarkSpec(**{**SPEC, "location": str(folder / file)}))

    return name, act


def _traces(name: str, content: bytes) -> Named:
    def act(folder: Path) -> object:
        (folder / "traces.jsonl").write_bytes(content + b"\n")
        return read_traces(folder / "traces.jsonl")

    return name, act


_CONFIG_VALUES: tuple[Any, ...] = ("x", -1, 0, [1], {"a": 1}, 10**30, True)
_CONFIG_KEYS = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "intermediate_size",
)


def checkpoints(n: int, sound: Path, mark: Path, seed: int = 23) -> list[Named]:
    """Copies of a sound checkpoint, each spoilt in one way.

    Args:
        n: how many.
        sound: the checkpoint.
        mark: a file that code in a spoilt one writes, if it is run.
        seed: of the choice.
    """
    found: list[Named] = []
    for key in _CONFIG_KEYS:
        found += [_edited(sound, "config.json", key, value) for value in _CONFIG_VALUES if not _is_harmless(key, value)]
    for name in (
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
        "generation_config.json",
    ):
        content = (sound / name).read_bytes()
        contents = {
            "empty": b"",
            "a list": b"[]",
            "half": content[: len(content) // 2],
            "zeros": bytes(64),
            "no UTF-8": b"\xff{",
        }
        found += [_with(sound, f"{name}: {what}", {name: spoilt}) for what, spoilt in contents.items()]
    found += [_without(sound, names) for names in (["config.json"], ["model.safetensors"], ["tokenizer.json"])]
    weights = (sound / "model.safetensors").read_bytes()
    head = int.from_bytes(weights[:8], "little")
    for cut in range(0, head, max(1, head // 24)):
        found.append(_with(sound, f"weights of {cut} bytes", {"model.safetensors": weights[:cut]}))
    for size in (0, 1, head - 1, head + 1, 2**31, 2**63):
        spoilt = size.to_bytes(8, "little") + weights[8:]
        found.append(_with(sound, f"a header of {size} bytes", {"model.safetensors": spoilt}))
    code = f"open({str(mark)!r}, 'w').write('ran')\n".encode()
    for file in ("config.json", "tokenizer_config.json"):
        for kind in (
            ("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer") if file == "config.json" else ("AutoTokenizer",)
        ):
            own = {"auto_map": {kind: "own.Own"}, "model_type": "own"}
            changed = json.dumps(json.loads((sound / file).read_bytes()) | own).encode()
            found.append(_with(sound, f"{file}: code for {kind}", {file: changed, "own.py": code}))
    indices: tuple[Any, ...] = (
        {"a": "../b.safetensors"},
        {"a": "/etc/passwd"},
        {"a": "b.bin"},
        {"a": 7},
        {},
        ["a"],
        "a",
        {"a": "missing.safetensors"},
    )
    for index in indices:
        files = {"model.safetensors.index.json": json.dumps({"weight_map": index}).encode()}
        found.append(_with(sound, f"an index of {index}", files, drop=["model.safetensors"]))
    pickled = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    found.append(_with(sound, "pickled weights", {"pytorch_model.bin": pickled}, drop=["model.safetensors"]))
    return random.Random(seed).sample(found, n)


def _is_harmless(key: str, value: Any) -> bool:
    return key in ("num_hidden_layers",) and value is True


def _edited(sound: Path, name: str, key: str, value: Any) -> Named:
    changed = json.dumps(json.loads((sound / name).read_bytes()) | {key: value}).encode()
    return _with(sound, f"{key}={value!r}", {name: changed})


def _without(sound: Path, names: list[str]) -> Named:
    return _with(sound, f"without {', '.join(names)}", {}, drop=names)


def _with(sound: Path, name: str, files: dict[str, bytes], drop: Sequence[str] = ()) -> Named:
    def act(folder: Path) -> object:
        for file in sound.iterdir():
            if file.name not in drop:
                (folder / file.name).write_bytes(files.get(file.name, file.read_bytes()))
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content)
        return load_model(find_model("own", ModelConfig("folder", str(folder), dtype="float32")), "cpu")

    return name, act
