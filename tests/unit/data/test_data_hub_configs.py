"""Invented records in the true schemas of the hub's data, read through the shipped configurations without a network."""

from dataclasses import asdict, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import datasets
import pytest
from omegaconf import OmegaConf

from ccps.data.benchmarks import BenchmarkSpec, load_questions

CONF = Path(__file__).parents[3] / "conf" / "benchmark"
DATA = Path(__file__).parents[2] / "data_files" / "benchmarks"
MMLU_FIRST = ("What do bees make?", ("milk", "honey", "glass", "wool"))
NLI = ("yes", "it is impossible to say", "no")
NLI_OE = "Is this true (yes, no or impossible to say)?"
TREC = ("an abbreviation", "an entity", "a description", "a person", "a place", "a number")
TREC_OE = "What does this question ask for (an abbreviation, an entity, a description, a person, a place or a number)?"
GAP = "The cup fell off the shelf as the _ shook."
COSMOS = "Bo ran home. It poured.\n\nWhy did Bo run?"
PEN = "a pen costs rs . 12 ; what do 100 cost ?"
PEN_OPTIONS = ("rs . 1 , 200", "120", "12", "1 ( one )", "none of these")
CATS = "Bo has two cats.\n\nWhat has Bo?\n"

# In the order of blake2b("ct_sciq/0/0"), ... of the right one and the three others.
SCIQ = tuple(
    option
    for _, option in sorted(
        (blake2b(f"ct_sciq/0/{i}".encode()).digest(), option)
        for i, option in enumerate(["light", "salt", "smoke", "steel"])
    )
)

# (file, key, folder, [(text, options, accepted), ...])
PLAIN = [
    ("mmlu_hub", "mmlu", "mmlu", [
        (*MMLU_FIRST, "b"),
        ("Which of the following is a root?", ("rose", "leaf", "bark", "carrot"), "d"),
        ("What follows from two premises?", ("all of the above", "none", "one", "two"), "a"),
    ]),
    ("mmlu_pro", "mmlu_pro", "mmlu_pro", [
        ("Which gas do plants take up?", ("tin", "carbon dioxide", "iron"), "b"),
        ("What is 3 + 6?", tuple("0123456789"), "j"),
    ]),
    ("mmlu_oe_hub", "mmlu_oe", "mmlu", [("What do bees make?", (), "honey")]),
    ("trivia_qa_hub", "trivia_qa", "trivia_qa", [
        ("Which river runs through Cologne?", (), "Rhine", "The Rhine"),
        ("How many legs has a spider?", (), "8", "eight"),
    ]),
    ("nq_open_hub", "nq_open", "nq_open", [
        ("who built the old mill", (), "Ada Miller", "A. Miller"),
        ("when does the fair open", (), "in May"),
    ]),
]  # fmt: skip

# name: (folder, multiple choice, open-ended)
CT = {
    "arc_challenge": ("arc", [
        ("What melts first?", ("ice", "iron", "stone"), "a"), ("What floats?", ("lead", "cork"), "b"),
    ], [("What melts first?", "ice"), ("What floats?", "cork")]),
    "arc_easy": ("arc", [("What is hot?", ("snow", "fire"), "b")], [("What is hot?", "fire")]),
    "boolq": ("boolq", [
        ("Snow is cold.\n\nis snow cold?", ("no", "yes"), "b"),
        ("Snow is white.\n\nis snow black?", ("no", "yes"), "a"),
    ], [
        ("Snow is cold.\n\nis snow cold? Answer yes or no.", "yes"),
        ("Snow is white.\n\nis snow black? Answer yes or no.", "no"),
    ]),
    "commonsenseqa": ("commonsenseqa", [
        ("Where are hats worn?", ("foot", "sea", "head", "hand", "sky"), "c"),
    ], [("Where are hats worn?", "head")]),
    "cosmosqa": ("cosmosqa", [
        (COSMOS, ("for fun", "the rain", "a race", "None of the above choices ."), "b"),
    ], [(COSMOS, "the rain")]),
    "hellaswag": ("hellaswag", [
        ("Which ending fits best? Baking: A man takes a bowl. he", ("flies.", "stirs.", "sings.", "melts."), "b"),
    ], []),
    "math_qa": ("math_qa", [(PEN, PEN_OPTIONS, "a"), ("2 + 3 = ?", ("4", "5"), "b")],
                [(PEN, "rs . 1 , 200"), ("2 + 3 = ?", "5")]),
    "snli": ("snli", [
        ("A dog runs.\n\nIs this true? A cat sleeps.", NLI, "c"),
        ("A dog runs.\n\nIs this true? It is old.", NLI, "b"),
    ], [
        (f"A dog runs.\n\n{NLI_OE} A cat sleeps.", "no"), (f"A dog runs.\n\n{NLI_OE} It is old.", "impossible to say"),
    ]),
    "anli_r1": ("anli", [("Ann lives in Oslo.\n\nIs this true? Ann lives in Oslo.", NLI, "a")],
                [(f"Ann lives in Oslo.\n\n{NLI_OE} Ann lives in Oslo.", "yes")]),
    "anli_r2": ("anli", [("Ann lives in Oslo.\n\nIs this true? Ann is tall.", NLI, "b")],
                [(f"Ann lives in Oslo.\n\n{NLI_OE} Ann is tall.", "impossible to say")]),
    "anli_r3": ("anli", [("Ann lives in Oslo.\n\nIs this true? Ann lives in Rome.", NLI, "c")],
                [(f"Ann lives in Oslo.\n\n{NLI_OE} Ann lives in Rome.", "no")]),
    "openbookqa": ("openbookqa", [("A seed grows into", ("a rock", "a plant", "a cloud", "a coin"), "b")],
                   [("A seed grows into", "a plant")]),
    "piqa": ("piqa", [("Open a jar", ("smile at it", "turn the lid"), "b")],
             [("How is this best done? Open a jar", "turn the lid")]),
    "sciq": ("sciq", [("What do plants need?", SCIQ, "abcd"[SCIQ.index("light")])],
             [("What do plants need?", "light")]),
    "rte": ("super_glue", [
        ("It rained all night.\n\nDoes this follow? It rained.", ("yes", "no"), "a"),
        ("It rained all night.\n\nDoes this follow? It snowed.", ("yes", "no"), "b"),
    ], [
        ("It rained all night.\n\nDoes this follow (yes or no)? It rained.", "yes"),
        ("It rained all night.\n\nDoes this follow (yes or no)? It snowed.", "no"),
    ]),
    "cb": ("super_glue", [
        ("I think he left.\n\nIs this true? he stayed", ("yes", "no", "it is impossible to say"), "b"),
        ("I think he left.\n\nIs this true? he is glad", ("yes", "no", "it is impossible to say"), "c"),
    ], [
        (f"I think he left.\n\n{NLI_OE} he stayed", "no"),
        (f"I think he left.\n\n{NLI_OE} he is glad", "impossible to say"),
    ]),
    "multirc": ("super_glue", [
        (CATS + "Is this a right answer? Dogs", ("no", "yes"), "a"),
        (CATS + "Is this a right answer? Two cats", ("no", "yes"), "b"),
    ], [
        (CATS + "Is this a right answer (yes or no)? Dogs", "no"),
        (CATS + "Is this a right answer (yes or no)? Two cats", "yes"),
    ]),
    "copa": ("super_glue", [
        ("The cup broke. What was the cause of this?", ("It fell.", "It shone."), "a"),
        ("The sun set. What was the effect of this?", ("It grew hot.", "It grew dark."), "b"),
    ], [
        ("The cup broke. What was the cause of this? Choose one. It fell. It shone.", "It fell."),
        ("The sun set. What was the effect of this? Choose one. It grew hot. It grew dark.", "It grew dark."),
    ]),
    "trec": ("trec", [
        ("What does this question ask for? Where is the Rhine ?", TREC, "e"),
        ("What does this question ask for? What does BBC stand for ?", TREC, "a"),
    ], [(f"{TREC_OE} Where is the Rhine ?", "a place"), (f"{TREC_OE} What does BBC stand for ?", "an abbreviation")]),
    "winogrande": ("winogrande", [(f"What fits the gap (_)? {GAP}", ("cup", "shelf"), "b")],
                   [(f"What fits the gap (_), cup or shelf? {GAP}", "shelf")]),
}  # fmt: skip
CASES = [
    *PLAIN,
    *(("ct_choice", f"ct_{name}", f"ct/{folder}", mc) for name, (folder, mc, _) in CT.items()),
    *(
        ("ct_oe", f"ct_oe_{name}", f"ct/{folder}", [(text, (), answer) for text, answer in oe])
        for name, (folder, _, oe) in CT.items()
        if oe
    ),
]


@pytest.fixture(scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture(autouse=True)
def _offline(_cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", _cache)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@cache
def descriptions(file: Any) -> Any:
    """What a file holds; parsed once, as a mixture is long."""
    return OmegaConf.load(CONF / f"{file}.yaml")


def described(file: str, key: str) -> BenchmarkSpec:
    spec = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(BenchmarkSpec), descriptions(file)[key]))
    assert isinstance(spec, BenchmarkSpec)
    return spec


def shipped(file: str, key: str, folder: str) -> BenchmarkSpec:
    """The shipped description, its location set to a local folder."""
    spec = described(file, key)
    assert spec.source == "datasets"
    return replace(spec, location=str(DATA / folder), revision=None)


@pytest.mark.parametrize(("file", "key", "folder", "expected"), CASES, ids=[f"{file}-{key}" for file, key, *_ in CASES])
def test_shipped_configurations_read_the_schema_of_the_hub(file: Any, key: Any, folder: Any, expected: Any) -> None:
    questions = load_questions(shipped(file, key, folder)).questions
    assert [question.source for question in questions] == [key] * len(expected)
    assert [(question.text, question.options, *question.accepted) for question in questions] == expected


@pytest.mark.parametrize(("file", "cases"), [("ct_choice", list(CT)), ("ct_oe", [n for n in CT if n != "hellaswag"])])
def test_every_source_of_a_mixture_is_tried(file: str, cases: Any) -> None:
    prefix = {"ct_choice": "ct_", "ct_oe": "ct_oe_"}[file]
    config = descriptions(file)
    assert list(config) == [prefix + name for name in cases]
    assert all(spec.name == key and spec.split.startswith("train") for key, spec in config.items())


def test_what_is_left_out_is_counted() -> None:
    assert load_questions(shipped("ct_choice", "ct_snli", "ct/snli")).left_out == {"no right answer is known": 1}
    assert load_questions(shipped("mmlu_oe_hub", "mmlu_oe", "mmlu")).left_out == {
        "the question does not match `keep_pattern`": 1,
        "no accepted answer matches `keep_answer_pattern`": 1,
    }


def test_subjects_and_identities_are_those_of_the_embedded_copy() -> None:
    questions = load_questions(shipped("mmlu_hub", "mmlu", "mmlu")).questions
    assert [(question.id, question.subject, question.split) for question in questions] == [
        ("mmlu/botany/0", "botany", "test"),
        ("mmlu/botany/1", "botany", "test"),
        ("mmlu/logic/0", "logic", "test"),
    ]


# Where the data lie, and where their subjects stand; all else says how a record becomes a question.
PLACE = {"source", "location", "member", "loader", "subset", "subject"}


@pytest.mark.parametrize("key", ["mmlu", "mmlu_oe", "nq_open", "trivia_qa"])
def test_the_embedded_copy_and_the_hub_follow_the_same_rules(key: str) -> None:
    embedded, hub = (asdict(described(file, key)) for file in (key, f"{key}_hub"))
    assert {name for name in embedded if embedded[name] != hub[name]} <= PLACE


@pytest.mark.parametrize("key", ["ccps_ct_choice", "ccps_mmlu", "ccps_mmlu_pro"])
def test_released_multiple_choice_answers(key: str) -> None:
    ice, snow, steam = load_questions(shipped(key, key, "ccps")).questions
    assert (ice.id, ice.subject, ice.text, ice.options) == (f"{key}/arc/0", "arc", "What is ice?", ("water", "sand"))
    assert (ice.accepted, ice.given_answer, ice.given_label) == (("a",), "a", True)
    assert ice.asked == "Question:\nWhat is ice?\n\nChoices:\n  (a): water\n  (b): sand\nAnswer:"
    assert snow.text == "Passage:\nSnow is cold.\n\nQuestion:\nis snow hot"
    assert snow.options == ("False", "True", "a line\nand another")
    assert (snow.accepted, snow.given_answer, snow.given_label) == (("c",), "", False)
    assert snow.asked is not None
    assert snow.asked.startswith("Example.\n\nQuestion:\nOne?")
    assert snow.asked.endswith("Now, answer the next question.\n\nPassage:\nSnow is cold.\n\nQuestion:\nis snow hot\n\n"
                               "Choices:\n  (a): False\n  (b): True\n  (c): a line\nand another\nAnswer:")  # fmt: skip
    assert (steam.id, steam.given_answer, steam.given_label) == (f"{key}/arc/1", None, None)


@pytest.mark.parametrize("key", ["ccps_ct_oe", "ccps_mmlu_oe"])
def test_released_open_ended_answers(key: str) -> None:
    ice, who = load_questions(shipped(key, key, "ccps")).questions
    assert (ice.text, ice.options, ice.accepted) == ("What is ice?", (), ("frozen water",))
    assert (ice.asked, ice.given_answer, ice.given_label) == ("Question: What is ice?\nAnswer:", "Water.", True)
    assert who.text == "Read the paragraph.\nParagraph: Bo ran.\nQuestion: Who ran?"
    assert (who.subject, who.given_answer, who.given_label) == ("cosmos_qa", "Ann", None)
