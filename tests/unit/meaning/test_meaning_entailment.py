"""A tiny random BERT over words: what is batched must be what is read alone."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from ccps.core.errors import UserError
from ccps.llm import ModelConfig, ModelFiles
from ccps.meaning.entailment import Entailment, find_entailment_model
from ccps.reasoning.judges.base import Pair, judge_inputs, open_judge
from ccps.reasoning.judges.nli import NliJudge
from ccps.settings.faithful.judge import JudgeChoice

CONF = Path(__file__).parents[3] / "conf" / "faithful" / "judge"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "who", "wrote", "it", "ann", "anne", "bob", "nobody", "did", "?"]
MNLI = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")
PAIRS = [(f"who wrote it ? {one}", f"who {other}") for one in WORDS[7:12] for other in ("ann", "bob did it", "? ?")]


def save(folder: Path, labels: tuple[str, ...] = MNLI, positions: int = 32) -> Path:
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
        initializer_range=0.8,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_batch_says_what_each_pair_says_alone(tmp_path: Path) -> None:
    model = Entailment(find_entailment_model(str(save(tmp_path))))
    plain = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    alone = []
    for pair in PAIRS:
        read = model.tokenizer(*pair, return_tensors="pt")
        with torch.inference_mode():
            alone.append(int(plain(**read).logits.argmax()) == 2)
    assert model.entails(PAIRS) == alone
    assert set(alone) == {True, False}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: save(folder, ("no", "yes")), "one label called entailment, but got .* with labels no, yes"),
        (lambda folder: BertModel.from_pretrained(save(folder)).save_pretrained(folder), "all its weights.*classifier"),
        (lambda folder: (save(folder) / "config.json").write_text("{}"), "a readable sequence classification model"),
    ],
)
def test_a_model_that_cannot_tell_is_refused(damage: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    damage(tmp_path)
    with pytest.raises(UserError, match=rf"`samples.nli_model` to be .*{message}"):
        Entailment(tmp_path)


@pytest.mark.parametrize("location", ["nobody/has-such-a-model", "."])
def test_a_model_that_is_not_there_is_refused(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"`samples\.nli_model` to be a model that can be had"):
        find_entailment_model(location)


def test_a_pair_that_is_too_long_is_refused_and_not_cut(tmp_path: Path) -> None:
    model = Entailment(save(tmp_path, positions=12))
    with pytest.raises(UserError, match=r"that can read 13 tokens, .*, but got 12 tokens"):
        model.entails([("ann", "bob"), ("who wrote it ? ann", "who wrote it ? bob")])


def test_lengths_are_those_of_each_pair_alone(tmp_path: Path) -> None:
    model = Entailment(save(tmp_path, positions=8))
    alone = [len(model.tokenizer(*pair)["input_ids"]) for pair in PAIRS]
    assert model.lengths(PAIRS) == alone
    assert max(alone) > 8
    assert model.lengths([]) == []


JUDGED = [Pair(*pair) for pair in PAIRS]


@pytest.mark.parametrize("max_batch_tokens", [1, 60, 4096])
def test_the_judge_gives_the_probability_of_contradiction(tmp_path: Path, max_batch_tokens: int) -> None:
    model = Entailment(save(tmp_path), setting="faithful.judge.nli_model")
    plain = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        read = [plain(**model.tokenizer(*pair, return_tensors="pt")).logits for pair in PAIRS]
    alone = [float(logits.softmax(-1)[0, 0]) for logits in read]
    found = NliJudge(model, max_batch_tokens=max_batch_tokens).judge(JUDGED)
    assert [verdict.inconsistency for verdict in found] == pytest.approx(alone, abs=1e-5)
    assert max(alone) - min(alone) > 0.1


def test_a_pair_that_the_judge_cannot_read_is_missing_and_not_cut(tmp_path: Path) -> None:
    judge = NliJudge(Entailment(save(tmp_path, positions=8), setting="faithful.judge.nli_model"))
    short, long = judge.judge([Pair("ann", "bob"), Pair("who wrote it ?", "who did ?")])
    assert 0 <= short.inconsistency <= 1
    assert math.isnan(long.inconsistency)
    assert long.reason == "longer than the judge can read"


def test_a_model_without_contradiction_does_for_samples_only(tmp_path: Path) -> None:
    model = Entailment(save(tmp_path, ("entailment", "other")), setting="faithful.judge.nli_model")
    assert set(model.entails(PAIRS)) <= {True, False}
    with pytest.raises(
        UserError, match=r"`faithful\.judge\.nli_model` to be a model with one label called contradiction"
    ):
        NliJudge(model)


def test_its_file_makes_the_judge(tmp_path: Path) -> None:
    settings = OmegaConf.merge(OmegaConf.structured(JudgeChoice), OmegaConf.load(CONF / "nli.yaml"))
    settings.nli_model = str(save(tmp_path / "nli"))
    choice = OmegaConf.to_object(settings)
    assert isinstance(choice, JudgeChoice)
    assert isinstance(open_judge(choice, tmp_path, "strict"), NliJudge)
    inputs = judge_inputs(choice, ModelFiles("m", ModelConfig("random", "llama"), None, "print"))
    assert inputs["judge"] == "nli"
    with pytest.raises(UserError, match=r"`faithful\.judge\.nli_model` to be a model that can be had.*`lexical`"):
        open_judge(JudgeChoice("nli", nli_model=str(tmp_path)), tmp_path, "strict")
