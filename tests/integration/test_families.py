"""Every family of models through answer, extract and fit; what they leave is held against plain transformers."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import torch
from families import FAMILIES, Family
from safetensors.torch import load_file
from tiny import SUBJECTS, Tiny, benchmark, write_questions
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from ccps.asking.follow_up import QUERY
from ccps.asking.interview import Interview, Manner
from ccps.core.artifacts import ROWS, TENSORS
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.llm import find_model, ids_after_answer, load_model
from ccps.perturbation import FEATURE_NAMES, reference_features

# How many questions each benchmark has, by which its artifacts are told apart.
TRAIN_CHOICES, TRAIN_GIVEN, TEST_CHOICES, TEST_GENERATED = 24, 20, 8, 7
NEW_TOKENS = 6
# States of a batch and of a single row differ by roundings, relative to the largest value.
ROUNDING = {"float32": 1e-4, "bfloat16": 2**-5}


class Kept(NamedTuple):
    """What the pipeline keeps of one model's answers to one benchmark."""

    rows: list[Any]
    states: list[Tensor]
    features: list[Tensor]
    layer_states: list[Tensor]
    self_evaluation: list[Tensor]


class Said(NamedTuple):
    """What plain transformers says after a prompt with an answer."""

    hidden: tuple[Tensor, ...]
    logits: Tensor


class Run:
    """The experiment, run, with the checkpoints it ran on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.experiment = Tiny(folder, folder)

    def checkpoint(self, name: str) -> Path:
        return self.folder / "checkpoints" / name

    def write(self) -> None:
        for name, family in FAMILIES.items():
            family.write(self.checkpoint(name))
        write_questions(self.folder / "trees.jsonl", TRAIN_CHOICES, seed=1)
        write_questions(self.folder / "boats.jsonl", TEST_CHOICES, seed=2)
        for name, n in (("bushes", TRAIN_GIVEN), ("ships", TEST_GENERATED)):
            rows = [
                {
                    "question": f"What is {name} {index} made of{', and why' * (index % 4)}?",  # no two rows alike
                    "accepted": ["seven"],
                    "subject": SUBJECTS[index % len(SUBJECTS)],
                    "answer": ("seven", "of amber")[index % 2],
                }
                for index in range(n)
            ]
            (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def overrides(self) -> list[str]:
        open_ended = {"options": [], "answer": "accepted", "answer_kind": "text", "format": "oe"}
        models = [
            f"model.{name}={{source:folder,location:{json.dumps(str(self.checkpoint(name)))},dtype:{family.dtype},"
            f"system_role:{family.system_role}}}"
            for name, family in FAMILIES.items()
        ]
        shorter = [
            f"probe.{form}.{part}={{steps:4,eval_every:2}}"
            for form in ("mc", "oe")
            for part in ("contrastive", "classifier")
        ]
        return [
            "model=[]",
            *models,
            f"train.bushes={benchmark(self.folder / 'bushes.jsonl', **open_ended, given_answer='answer')}",
            f"test.ships={benchmark(self.folder / 'ships.jsonl', **open_ended)}",
            "grader=[contains,substring]",
            "probe@probe.oe=oe_smoke",
            *shorter,
            "seeds=[23]",
            f"answering.max_new_tokens={NEW_TOKENS}",
            "method=[ccps,saplma_m,p_true]",
            "stages=[answer,grade,extract,fit]",
        ]

    def artifacts(self, stage: str, **inputs: Any) -> list[Path]:
        """Complete artifacts of a stage whose inputs have some values."""
        found = []
        for folder in sorted((self.experiment.artifacts / stage).iterdir()):
            own = json.loads((folder / "inputs.json").read_text())
            if (folder / "manifest.json").exists() and inputs.items() <= own.items():
                found.append(folder)
        return found

    def fingerprint(self, name: str) -> str:
        return find_model(name, FAMILIES[name].config(self.checkpoint(name))).fingerprint

    def answers(self, name: str, n: int) -> Path:
        """The answers to the benchmark with so many questions."""
        (found,) = (
            folder
            for folder in self.artifacts("answer", model=self.fingerprint(name))
            if json.loads((folder / "manifest.json").read_text())["summary"]["answers"] == n
        )
        return found

    def kept(self, name: str, n: int) -> Kept:
        """What is kept of the benchmark with so many questions."""
        answers = self.answers(name, n)
        shards = sorted(answers.glob("0*"))
        rows = pd.concat([pd.read_parquet(shard / ROWS) for shard in shards])
        tensors = [load_file(shard / TENSORS) for shard in shards]
        (extracted,) = self.artifacts("extract", answers=answers.name)
        table = pd.concat([pd.read_parquet(path) for path in sorted(extracted.glob(f"0*/{ROWS}"))])
        features = torch.tensor(table[list(FEATURE_NAMES)].to_numpy())
        lengths = rows["answer_ids"].map(len).tolist()
        assert table["question_id"].tolist() == rows["question_id"].repeat(lengths).tolist()
        assert table["token_id"].tolist() == [token for ids in rows["answer_ids"] for token in ids]
        return Kept(
            list(rows.itertuples()),
            list(torch.cat([one["states"] for one in tensors]).split(lengths)),
            list(features.split(lengths)),
            list(torch.cat([one["layer_states"] for one in tensors])),
            list(torch.cat([one["self_evaluation"] for one in tensors])),
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    done = Run(tmp_path_factory.mktemp("families"))
    done.write()
    done.experiment.run(*done.overrides())
    return done


@pytest.mark.parametrize("name", ["old_mistral", "gemma"])
def test_texts_longer_than_a_sliding_window_are_refused(tmp_path: Path, name: str) -> None:
    """Padding would take places in the window."""
    family = replace(FAMILIES[name], sizes={"vocab_size": 320, "sliding_window": 128})
    family.write(tmp_path / name)
    lm = load_model(find_model(name, family.config(tmp_path / name)))
    short, long = (Question("q", "s", "why? " * n, (), ("so",), "test", "s") for n in (2, 20))
    Interview(lm, [short], Manner(max_new_tokens=4, system_role="omit"))
    with pytest.raises(UserError, match=r"context window of model .* at most 128 tokens"):
        Interview(lm, [short, long], Manner(max_new_tokens=4, system_role="omit"))


@pytest.fixture(params=FAMILIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def family(name: str) -> Family:
    return FAMILIES[name]


@cache
def plain(folder: Path, dtype: str) -> tuple[Any, Any]:
    """The model and its tokenizer as transformers loads them."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    return model, AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def says(model: Any, tokens: list[int], last: int) -> Said:
    """Hidden states and logits at the last so many tokens."""
    out = model(torch.tensor([tokens]), use_cache=False, output_hidden_states=True)
    return Said(tuple(layer[0, -last:] for layer in out.hidden_states), out.logits[0, -last:].float())


def answered(kept: Kept) -> list[int]:
    """Rows whose answer has tokens: what the tokenizer has no text for is an empty answer."""
    filled = [index for index, row in enumerate(kept.rows) if len(row.answer_ids)]
    assert len(filled) > len(kept.rows) / 3
    return filled


def near(ours: Tensor, theirs: Tensor, dtype: str) -> None:
    assert ours.shape == theirs.shape
    assert (ours.float() - theirs.float()).abs().max() <= ROUNDING[dtype] * theirs.float().abs().max()


@pytest.mark.parametrize("n", [TRAIN_CHOICES, TRAIN_GIVEN, TEST_CHOICES, TEST_GENERATED])
def test_states_and_logits_are_those_of_a_plain_forward(run: Run, name: str, family: Family, n: int) -> None:
    kept = run.kept(name, n)
    model, _ = plain(run.checkpoint(name), family.dtype)
    assert {states.dtype for states in kept.states} == {getattr(torch, family.dtype)}
    for index in answered(kept)[:5]:
        row, states, features = kept.rows[index], kept.states[index], kept.features[index]
        said = says(model, [*row.prompt_ids, *row.answer_ids[:-1]], len(row.answer_ids))
        near(states, said.hidden[-1], family.dtype)
        # The model's own logits, with its scale and its cap.
        column = dict(zip(FEATURE_NAMES, features.T, strict=True))
        near(column["original_logit_argmax"], said.logits.max(dim=1).values, family.dtype)
        chosen = said.logits.gather(1, torch.tensor([[*row.answer_ids]]).T)[:, 0]
        scale = said.logits.abs().max()
        assert (column["original_logit_actual"] - chosen).abs().max() <= ROUNDING[family.dtype] * scale


@pytest.mark.parametrize("n", [TRAIN_GIVEN, TEST_CHOICES, TEST_GENERATED])
def test_features_are_those_of_the_slow_reference(run: Run, name: str, family: Family, n: int) -> None:
    kept = run.kept(name, n)
    model, _ = plain(run.checkpoint(name), family.dtype)
    weight = family.scale * model.get_output_embeddings().weight.detach().float()
    for index in answered(kept)[:2]:
        tokens = torch.tensor(list(kept.rows[index].answer_ids))[:2]
        wanted = reference_features(kept.states[index][:2].float(), weight, tokens, softcap=family.softcap)
        torch.testing.assert_close(kept.features[index][:2], wanted, rtol=1e-3, atol=1e-3)


def test_written_answers_are_those_of_generate(run: Run, name: str, family: Family) -> None:
    kept = run.kept(name, TEST_GENERATED)
    model, tokenizer = plain(run.checkpoint(name), family.dtype)
    for row in kept.rows:
        own, prompt = list(row.answer_ids), torch.tensor([list(row.prompt_ids)])
        if family.dtype == "float32":
            written = model.generate(prompt, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0)
            ids = written[0, prompt.shape[1] :].tolist()
            ids = ids[: ids.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in ids else ids
            text = tokenizer.decode(ids, skip_special_tokens=True).strip()
            assert (own, row.text) == (ids if text else [], text)
        elif own:  # two tokens may be as probable as each other, to the precision of the weights
            logits = says(model, [*prompt[0].tolist(), *own[:-1]], len(own)).logits
            chosen = logits.gather(1, torch.tensor([own]).T)[:, 0]
            assert (logits.max(dim=1).values - chosen).max() <= ROUNDING[family.dtype] * logits.abs().max()


@pytest.mark.parametrize("n", [TRAIN_CHOICES, TEST_CHOICES])
def test_choices_are_the_most_probable_letters(run: Run, name: str, family: Family, n: int) -> None:
    model, tokenizer = plain(run.checkpoint(name), family.dtype)
    letters = tokenizer.convert_tokens_to_ids(["a", "b", "c"])
    for row in run.kept(name, n).rows[:8]:
        logits = says(model, list(row.prompt_ids), 1).logits[0]
        (token,) = row.answer_ids
        assert token in letters
        assert logits[letters].max() - logits[token] <= ROUNDING[family.dtype] * logits.abs().max()


@pytest.mark.parametrize("n", [TRAIN_CHOICES, TRAIN_GIVEN, TEST_GENERATED])
def test_what_is_read_after_an_answer(run: Run, name: str, family: Family, n: int) -> None:
    """States between layers at the end of the turn, and the logits of no and yes in the next."""
    kept = run.kept(name, n)
    model, tokenizer = plain(run.checkpoint(name), family.dtype)
    asked = [{"role": "user", "content": "why?"}]
    end, query = (ids_after_answer(tokenizer, asked, more) for more in ((), [{"role": "user", "content": QUERY}]))
    letters = tokenizer.convert_tokens_to_ids(["a", "b"])
    filled = answered(kept)
    assert len(kept.layer_states) == len(kept.self_evaluation) == len(filled)
    for place, index in enumerate(filled[:4]):
        row = kept.rows[index]
        said = says(model, [*row.prompt_ids, *row.answer_ids, *end], 1)
        near(kept.layer_states[place][0], said.hidden[1][0], family.dtype)
        said = says(model, [*row.prompt_ids, *row.answer_ids, *query], 1)
        difference = kept.self_evaluation[place] - said.logits[0, letters]
        assert difference.abs().max() <= ROUNDING[family.dtype] * said.logits.abs().max()


def test_head_is_kept_without_a_row_too_many(run: Run, name: str, family: Family) -> None:
    (head,) = run.artifacts("head", model=run.fingerprint(name))
    model, _ = plain(run.checkpoint(name), family.dtype)
    embeddings = model.get_output_embeddings().weight
    summary = json.loads((head / "manifest.json").read_text())["summary"]
    assert (summary["vocabulary"], summary["width"]) == tuple(embeddings.shape)
    assert summary["dtype"] == str(torch.float32 if family.scale != 1 else embeddings.dtype)
    is_tied = embeddings.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    assert is_tied == (family.location in ("gemma2", "granite", "cohere") or name == "llama_tied")


@pytest.mark.parametrize("n", [TRAIN_CHOICES, TRAIN_GIVEN])
@pytest.mark.parametrize("method", ["ccps", "saplma_m"])
def test_methods_are_fitted_on_each_format(run: Run, name: str, method: str, n: int) -> None:
    fitted = [
        json.loads((folder / "inputs.json").read_text())["method"][0]
        for grades in run.artifacts("grade", answers=run.answers(name, n).name)
        for folder in run.artifacts("fit", grades=grades.name)
    ]
    assert fitted.count(method) == 1
