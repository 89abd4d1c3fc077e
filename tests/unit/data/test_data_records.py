from dataclasses import replace

from ccps.data.records import Question, questions_hash

QUESTION = Question("quiz/0", "quiz", "Which way is up?", ("left", "up"), ("b",), "test", "quiz")


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
        [replace(QUESTION, asked="")],
        [replace(QUESTION, given_answer="")],
        [replace(QUESTION, given_label=False)],
    ]
    hashes = [questions_hash(variant) for variant in variants]
    assert len(set(hashes)) == len(variants)
    assert questions_hash([replace(QUESTION)]) == hashes[0]
    assert all(len(value) == 32 for value in hashes)
