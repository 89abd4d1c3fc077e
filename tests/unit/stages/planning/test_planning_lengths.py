"""How long conversations are, and how they fall into batches."""

from collections.abc import Callable

from ccps.llm import LanguageModel, ModelConfig, ModelFiles, prompt_ids
from ccps.plan.work import Amount
from ccps.stages.planning.lengths import Lengths, lengths_of, some
from ccps.stages.planning.subject import Subject


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "Answer."}, {"role": "user", "content": text}]


def subject(lm: LanguageModel) -> Subject:
    return Subject(lm.files, None, lm.tokenizer)


def test_tokens_are_those_of_the_prompts(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    talks = [says("One?"), says("A longer one?")]
    found = lengths_of(subject(lm), talks)
    prompts = [prompt_ids(lm.tokenizer, talk) for talk in talks]
    assert [found.shared + own for own in found.own] == list(map(len, prompts))
    assert prompts[0][: found.shared] == prompts[1][: found.shared]
    assert prompts[0][found.shared] != prompts[1][found.shared]


def test_without_a_tokenizer_four_characters_are_a_token() -> None:
    nobody = Subject(ModelFiles("m", ModelConfig("hub", "m"), None, "x"), None, None)
    short, long = says("a" * 40), says("a" * 440)
    found = lengths_of(nobody, [short, long])
    assert found.own[1] - found.own[0] == 100


def test_many_are_counted_by_some() -> None:
    chosen, each = some(list(range(10)), most=4)
    assert chosen == [0, 3, 6, 9]
    assert each * len(chosen) == 10


def test_reading_pads_to_the_longest_of_a_batch() -> None:
    """In batches of at most 20 tokens, one for the answer: 4 and 5 together, 10 alone, after 3 that all share."""
    found = Lengths(3, [5, 10, 4], each=2).read(most=20, room=1)
    assert found == Amount(tokens=2 * (10 + 10), pairs=2 * (10 * 8 + 10 * 13), keys=2 * (2 * 8 + 13), passes=4, most=10,
                           held=16)  # fmt: skip


def test_writing_goes_on_until_the_longest_has_ended() -> None:
    """Three rows for each of two prompts of four tokens, five steps: keys of 5 to 9 tokens."""
    found = Lengths(0, [4, 4], each=1).write(most=1000, steps=5, rows=3)
    assert found == Amount(tokens=30, pairs=6 * 35, keys=6 * 35, passes=5, most=6, held=54)


def test_rows_that_have_ended_may_leave() -> None:
    stays = Lengths(0, [4], each=1).write(most=100, steps=10)
    leaves = Lengths(0, [4], each=1).write(most=100, steps=10, shrinks=5)
    assert (leaves.tokens, leaves.passes) == (stays.tokens / 2, stays.passes)
