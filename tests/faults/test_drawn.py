"""Of many bad inputs none is taken, ends in anything but a refusal, or has anything run; the counts are printed."""

import math
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bad_inputs import drawn

from ccps.core.errors import UserError
from ccps.grading.question import read_reply
from ccps.llm import ModelConfig
from ccps.llm.random_model import random_model
from ccps.reasoning.decisiveness.llm_judge import read_ratings
from ccps.reasoning.judges.yes_no import read_verdict

REPLIES = [
    "", " ", "\0", "\ufeff", "maybe", "yes and no", "Yes" * 1000, "no\n" * 50, "?" * 10_000, "9" * 5000,
    "-" + "9" * 4400, "1e999", "-1e999", "NaN", "Infinity", "[" * 5000, "{" * 5000, "[1", "[1,", "[1e999, 2]",
    "[NaN, NaN]", "[null, null]", "[true, false]", '["0.5", "x"]', '{"0": 1}', '{"a": {"a": {"a": 1}}}',
    "```json\n[1, 2]", "```\n```", "```json\n{}\n```", "[0.5]", "[0.1, 0.2, 0.3]", "[-1, 2]", "[1.5, 0.5]", "0.5, 0.5",
    "\ud83d", "[\ud83d]", "\u202e[1, 2]", "[1, 2]" * 2000, "<think>" * 500, '{"ratings": [{"score": "a"}]}',
]  # fmt: skip


def outcomes(items: list[drawn.Named], what: str) -> tuple[Counter[str], list[str]]:
    """How many were refused, taken, or ended in something else, and which."""
    counts, others = Counter[str](), []
    for name, act in items:
        with TemporaryDirectory() as folder:
            try:
                act(Path(folder))
            except UserError as error:
                counts["refused" if len(str(error)) < 6000 else "refused at length"] += 1
            except Exception as error:
                counts["traceback"] += 1
                others.append(f"{name}: {error!r}")
            else:
                counts["taken"] += 1
                others.append(f"{name}: taken")
    print(f"{what}: {dict(counts)} of {len(items)}")
    return counts, others


@pytest.mark.slow
def test_400_settings_that_cannot_be() -> None:
    counts, others = outcomes(drawn.settings(400), "settings")
    assert others == []
    assert counts["refused"] == 400


def test_250_files_of_questions_and_traces() -> None:
    counts, others = outcomes(drawn.files(250), "files")
    assert others == []
    assert counts["refused"] == 250


@pytest.mark.slow
def test_100_checkpoints_that_are_not_sound(tmp_path: Path) -> None:
    sound, mark = tmp_path / "sound", tmp_path / "ran"
    sizes = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048}
    model, tokenizer = random_model("sound", ModelConfig("random", "llama", dtype="float32", architecture=sizes))
    model.save_pretrained(sound)
    tokenizer.save_pretrained(sound)
    counts, others = outcomes(drawn.checkpoints(100, sound, mark), "checkpoints")
    assert others == []
    assert counts["refused"] == 100
    assert not mark.exists()


def test_40_replies_of_a_judge() -> None:
    assert len(REPLIES) == 40
    read = Counter[str]()
    for reply in REPLIES:
        verdict = read_reply(reply)
        read[f"yes or no: {verdict}"] += 1
        value = read_verdict(reply, "strict").inconsistency
        assert math.isnan(value) or 0 <= value <= 1
        for mode in ("strict", "parity"):
            ratings = read_ratings(reply, 2, mode=mode)
            read[f"ratings, {mode}: {'none' if ratings is None else 'read'}"] += 1
            assert ratings is None or (len(ratings) == 2 and not any(one < 0 or one > 1 for one in ratings))
    print(f"replies: {dict(read)}")
    assert read["yes or no: None"] == 40
