"""Judges of agreement that need no network: against counts by hand, brute force, and one prompt at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ccps.core.settings import SettingsError, check
from ccps.grading import JudgeConfig
from ccps.grading.normalise import token_f1
from ccps.llm import LanguageModel, ModelConfig, ModelFiles, generate, prompt_ids
from ccps.reasoning.judges.base import (
    JUDGES,
    ConsistencyJudge,
    Opening,
    Pair,
    StepVerdict,
    judge_faults,
    judge_inputs,
    open_judge,
    register,
)
from ccps.reasoning.judges.lexical import LexicalJudge, rouge_l
from ccps.reasoning.judges.numeric import NumericJudge, last_number
from ccps.reasoning.judges.yes_no import EndpointJudge, YesNoJudge, agreement_chat
from ccps.settings.faithful.judge import JudgeChoice

CONF = Path(__file__).parents[3] / "conf" / "faithful" / "judge"
FILES = ModelFiles("m", ModelConfig("random", "llama"), None, "print")
EMPTY = StepVerdict(math.nan, reason="an empty continuation")


def values(judge: ConsistencyJudge, *pairs: tuple[str, str]) -> list[float]:
    return [verdict.inconsistency for verdict in judge.judge([Pair(*pair) for pair in pairs])]


class Counting(ConsistencyJudge):
    """Says how many pairs it was given so far."""

    def __init__(self, mode: Literal["strict", "parity"]) -> None:
        super().__init__(mode)
        self.seen: list[Any] = []

    def judge_distinct(self, pairs: Any) -> list[StepVerdict]:
        self.seen += pairs
        return [StepVerdict(len(pair.context) / 10) for pair in pairs]


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_equal_pairs_are_judged_once_and_empty_ones_in_parity_only(mode: Literal["strict", "parity"]) -> None:
    judge = Counting(mode)
    pairs = [Pair("ab", "x"), Pair(" \n", "x"), Pair("ab", "x"), Pair("a", "x")]
    found = judge.judge(pairs)
    assert found == [
        StepVerdict(0.2),
        StepVerdict(0.2) if mode == "parity" else EMPTY,
        StepVerdict(0.2),
        StepVerdict(0.1),
    ]
    assert judge.seen == [pair for pair in (pairs[0], pairs[1], pairs[3]) if mode == "parity" or pair.context.strip()]
    assert judge.judge([]) == []


def test_words_in_common_by_hand() -> None:
    pair = ("The cat sat on 2 mats", "cats: on two mats the cat sat")
    # cat sat on 2 mats / cats on 2 mats cat sat: all five of ours are among their six; in order "on 2 mats".
    assert values(LexicalJudge(), pair) == pytest.approx([1 - 10 / 11])
    assert values(LexicalJudge("rouge_l"), pair) == pytest.approx([1 - 6 / 11])
    assert values(LexicalJudge(), ("same", "same"), ("same", "other")) == [0, 1]
    assert values(LexicalJudge("rouge_l"), ("same", "same"), ("same", "other")) == [0, 1]


def test_signs_count_unless_words_are_compared_as_squad_does() -> None:
    pair = ("So x + 5 = 9.0", "So, the x - 5 = 9")
    # "so", "x", "5", "=" and "9" of six words each; then "so", "x" and "5" of four each, 9.0 being 90.
    assert values(LexicalJudge("token_f1"), pair) == pytest.approx([1 - 5 / 6])
    assert values(LexicalJudge("squad_f1"), pair) == pytest.approx([1 - 3 / 4])


_SAID = st.lists(
    st.sampled_from(
        ["It", "is", "the", "4", "four", "4.0", "x", "+", "-", "x+1", "Wait,", "≤", "a", "A", "\u200bso", "½"]
    ),
    max_size=7,
).map(" ".join)


@given(st.lists(st.tuples(_SAID, _SAID), max_size=12))
def test_texts_read_once_are_judged_as_each_pair_alone(pairs: list[tuple[str, str]]) -> None:
    plain = {"token_f1": token_f1, "rouge_l": rouge_l}
    for measure, f1 in plain.items():
        judge = LexicalJudge(cast(Literal["token_f1", "rouge_l"], measure), "parity")
        assert values(judge, *pairs) == [1.0 - f1(*pair) for pair in pairs]


@pytest.mark.parametrize("measure", ["token_f1", "squad_f1", "rouge_l"])
def test_an_empty_text_shares_no_words(measure: Literal["token_f1", "rouge_l"]) -> None:
    assert values(LexicalJudge(measure, "parity"), ("", "x")) == [1]
    assert LexicalJudge(measure).judge([Pair("", "x")]) == [EMPTY]


@given(st.lists(st.sampled_from("bcd"), max_size=8), st.lists(st.sampled_from("bcd"), max_size=8))
def test_the_longest_common_subsequence_is_the_longest(one: list[str], other: list[str]) -> None:
    def has(sub: Any) -> Any:
        rest = iter(other)
        return all(word in rest for word in sub)

    longest = max(k for k in range(len(one) + 1) if any(has(sub) for sub in combinations(one, k)))
    expected = 2 * longest / (len(one) + len(other)) if longest else 0
    assert rouge_l(" ".join(one), " ".join(other)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So we get 3 + 4 = 7.", 7),
        ("The answer is $1,234.50$ dollars.", Fraction("1234.5")),
        ("Hence \\boxed{\\frac{3}{4}}", Fraction(3, 4)),
        ("It is 6/8 of it", Fraction(3, 4)),
        ("x = −12", -12),
        ("10-3", 3),
        ("about .5", Fraction(1, 2)),
        ("5%, or 3 km, of 2x, the 4th, x^7, 10^{-8}, a_9 and b_{6}", 3),
        ("24/7.", Fraction(24, 7)),
        ("1/0", 0),
        ("007", 7),
        ("none", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_the_last_number_of_a_text(text: str, number: int | Fraction | None) -> None:
    assert last_number(text) == number


@given(st.text(alphabet="0123456789,./-{}^_ x\\frac", max_size=60))
def test_any_text_has_a_last_number_or_none(text: str) -> None:
    found = last_number(text)
    assert found is None or any(character.isdigit() for character in text)


def test_numbers_agree_by_value() -> None:
    judge = NumericJudge()
    agreeing = [("It is 0.50.", "so \\frac12 or 1/2"), ("1,000", "1000.0"), ("7, then 8", "8")]
    assert values(judge, *agreeing) == [0, 0, 0]
    assert values(judge, ("It is 8.", "It is 9."), ("I do not know.", "It is 9.")) == [1, 1]
    (nothing,) = judge.judge([Pair("It is 9.", "I do not know.")])
    assert math.isnan(nothing.inconsistency)
    assert nothing.reason == "a step without a number"


YES_NO_PAIRS = [Pair("a" * n, f"{n} letters a") for n in (1, 60, 7, 30)]


@pytest.mark.parametrize("max_batch_tokens", [1, 600, 100_000])
def test_replies_in_batches_are_those_to_each_prompt_alone(
    tiny_model: Callable[..., LanguageModel], max_batch_tokens: int
) -> None:
    lm = tiny_model("llama")
    alone = []
    for pair in YES_NO_PAIRS:
        (written,) = generate(lm, [prompt_ids(lm.tokenizer, agreement_chat(*pair))], 6)
        alone.append(lm.tokenizer.decode(written.tokens, skip_special_tokens=True).strip())
    found = YesNoJudge(lm, max_new_tokens=6, max_batch_tokens=max_batch_tokens).judge(YES_NO_PAIRS)
    assert [verdict.reply for verdict in found] == alone
    assert len(set(alone)) > 1


def test_noise_is_unclear_in_strict_and_half_in_parity(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    for verdict in YesNoJudge(lm).judge(YES_NO_PAIRS):
        assert math.isnan(verdict.inconsistency)
        assert verdict.reason == "neither yes nor no in the judge's reply"
    assert values(YesNoJudge(lm, "parity"), *YES_NO_PAIRS, ("", "x")) == [0.5] * 5


def test_what_does_not_fit_the_context_window_is_missing(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=256)
    judge = YesNoJudge(lm, "parity", max_new_tokens=4)
    short, long = judge.judge([Pair("a", "b"), Pair("a" * 300, "b")])
    assert short.inconsistency == 0.5
    assert long.reason == "longer than the judge can read"
    assert [verdict.reason for verdict in judge.judge([Pair("a" * 300, "b")])] == [long.reason]


def faults(choice: JudgeChoice) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check(choice, "faithful.judge", judge_faults)
    return caught.value.faults


def test_every_judge_has_a_file() -> None:
    assert set(JUDGES) == {path.stem for path in CONF.iterdir()}


# That of `nli` is tested beside its model.
@pytest.mark.parametrize(
    ("name", "kind"), [("llm_yes_no", YesNoJudge), ("lexical", LexicalJudge), ("numeric", NumericJudge)]
)
def test_every_file_makes_its_judge(
    name: str, kind: Any, tmp_path: Path, tiny_config: Callable[..., ModelConfig]
) -> None:
    path = CONF / f"{name}.yaml"
    settings = OmegaConf.merge(OmegaConf.structured(JudgeChoice), OmegaConf.load(path))
    if name == "llm_yes_no":
        assert (settings.model.location, settings.max_new_tokens) == ("Qwen/Qwen2.5-1.5B-Instruct", 10)
        settings.model = tiny_config("llama")
    choice: Any = OmegaConf.to_object(settings)
    with_judge = open_judge(choice, tmp_path, "strict")
    assert type(with_judge) is kind
    with_judge.close()
    assert judge_inputs(choice, FILES)["judge"] == settings.name == name
    assert path.read_text().startswith(f"# python -m experiments.faithful faithful/judge={name}\n")


def test_the_model_under_study_may_judge_itself(tmp_path: Path, tiny_model: Callable[..., LanguageModel]) -> None:
    choice = JudgeChoice("llm_yes_no")
    assert choice.is_model_under_study
    lm = tiny_model("llama")
    judge = open_judge(choice, tmp_path, "strict", under_study=lm)
    assert isinstance(judge, YesNoJudge)
    assert judge.lm is lm
    assert judge_inputs(choice, FILES)["model"] == "print"
    with pytest.raises(ValueError, match="Expected `under_study`"):
        open_judge(choice, tmp_path, "strict")


def test_an_endpoint_may_judge(tmp_path: Path) -> None:
    choice = JudgeChoice("llm_yes_no", endpoint=JudgeConfig("https://host.example/v1", "m"))
    assert not choice.is_model_under_study
    assert isinstance(open_judge(choice, tmp_path, "strict"), EndpointJudge)
    assert judge_inputs(choice, FILES)["endpoint"] == "host.example/v1"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("choice", "fault"),
    [
        (
            JudgeChoice("embedding"),
            "unknown judge `embedding` in `faithful.judge.name`: known here: lexical, llm_yes_no, nli, numeric",
        ),
        (JudgeChoice("lexical", measure="bleu"), "`faithful.judge.measure` to be one of token_f1, squad_f1, rouge_l"),
        (JudgeChoice("numeric", measure="rouge_l"), "`faithful.judge.measure` to be left out for numeric"),
        (JudgeChoice("lexical", nli_model="x"), "`faithful.judge.nli_model` to be left out for lexical"),
        (JudgeChoice("nli"), "`faithful.judge.nli_model` to be a folder or hub id"),
        (JudgeChoice("nli", nli_model="x", max_batch_tokens=0), "`faithful.judge.max_batch_tokens` to be from 1 to"),
        (JudgeChoice("llm_yes_no", max_new_tokens=0), "`faithful.judge.max_new_tokens` to be from 1 to"),
        (JudgeChoice("llm_yes_no", endpoint=JudgeConfig(None, "m")), "base_url"),
        (JudgeChoice("llm_yes_no", ModelConfig("zip", "x")), "`faithful.judge.model.source` to be one of"),
        (JudgeChoice("llm_yes_no", ModelConfig("hub", "x", dtype="int8")), "`faithful.judge.model.dtype` to be one of"),
        (
            JudgeChoice("llm_yes_no", ModelConfig("hub", "x"), JudgeConfig("https://host.example/v1", "m")),
            "`faithful.judge.model` to be left out where `endpoint` is given",
        ),
    ],
)
def test_settings_that_no_judge_can_be_made_of(choice: JudgeChoice, fault: str) -> None:
    (found,) = faults(choice)
    assert fault in found


def test_all_faults_in_one_message() -> None:
    assert len(faults(JudgeChoice("nli", max_batch_tokens=0, max_new_tokens=0, measure="bleu"))) == 4


def test_everything_that_decides_a_verdict_is_in_the_inputs(tmp_path: Path) -> None:
    lexical = judge_inputs(JudgeChoice("lexical"), FILES)
    assert judge_inputs(JudgeChoice("lexical", measure="rouge_l"), FILES) != lexical
    itself = JudgeChoice("llm_yes_no")
    assert judge_inputs(itself, replace(FILES, fingerprint="other")) != judge_inputs(itself, FILES)
    assert judge_inputs(replace(itself, max_new_tokens=5), FILES) != judge_inputs(itself, FILES)


class Lenient(ConsistencyJudge):
    """Finds that everything agrees."""

    name = "lenient"
    in_words = "nothing"
    settings = frozenset({"max_new_tokens"})

    @classmethod
    def inputs(cls, choice: JudgeChoice, under_study: ModelFiles | None) -> dict[str, Any]:
        return {"longest": choice.max_new_tokens}

    @classmethod
    def open(cls, opening: Opening) -> "Lenient":
        return cls(opening.mode)

    def judge_distinct(self, pairs: Sequence[Pair]) -> list[StepVerdict]:
        return [StepVerdict(0.0) for _ in pairs]


def test_a_judge_from_outside_the_package(tmp_path: Path) -> None:
    register(Lenient)
    try:
        choice = JudgeChoice("lenient", max_new_tokens=3)
        assert values(open_judge(choice, tmp_path, "strict"), ("yes", "no"), ("a", "b")) == [0, 0]
        assert judge_inputs(choice, FILES) == {"judge": "lenient", "longest": 3}
        assert "left out for lenient" in faults(replace(choice, nli_model="x"))[0]
    finally:
        JUDGES.remove("lenient")
