"""A tiny random BERT over words: what is batched must be what is read alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from ccps.entailment import Entailment, find_entailment_model
from ccps.errors import UserError

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
