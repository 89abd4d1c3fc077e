from dataclasses import replace

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.data.records import Question, questions_from_table, questions_hash, questions_to_table

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
tuples = st.lists(texts, max_size=4).map(tuple)
QUESTION = Question("quiz/0", "quiz", "Which way is up?", ("left", "up"), ("b",), "test", "quiz")


@settings(deadline=None)
@given(st.lists(st.builds(Question, texts, texts, texts, tuples, tuples, texts, texts)))
def test_table_round_trip(questions):
    assert questions_from_table(questions_to_table(questions)) == questions


def test_parquet_round_trip(tmp_path):
    pq.write_table(questions_to_table([QUESTION]), tmp_path / "questions.parquet")
    assert questions_from_table(pq.read_table(tmp_path / "questions.parquet")) == [QUESTION]


def test_format_and_letters():
    assert (QUESTION.format, QUESTION.letters) == ("mc", "ab")
    assert (replace(QUESTION, options=()).format, replace(QUESTION, options=()).letters) == ("oe", "")


def test_hash_sees_every_field_and_the_order():
    other = replace(QUESTION, id="quiz/1")
    variants = [
        [QUESTION],
        [other],
        [QUESTION, other],
        [other, QUESTION],
        *([replace(QUESTION, **{name: "x"})] for name in ("subject", "text", "split", "source")),
        [replace(QUESTION, accepted=("a",))],
        [replace(QUESTION, options=("left, up",))],
    ]
    hashes = [questions_hash(variant) for variant in variants]
    assert len(set(hashes)) == len(variants)
    assert questions_hash([replace(QUESTION)]) == hashes[0]
    assert all(len(value) == 32 for value in hashes)
