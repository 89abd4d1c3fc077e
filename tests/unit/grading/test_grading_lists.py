"""An answer that lists more than what is accepted, or names a substance that is made of it, says something else."""

from dataclasses import replace

import pytest

from ccps.data.records import Question
from ccps.grading.compounds import is_substance
from ccps.grading.open_ended import Contains

QUESTION = Question("q", "s", "Which is it?", (), ("x",), "test", "s")


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Mars, Earth, Venus", "Earth"),
        ("Earth, Mars, Venus", "Earth"),
        ("Mars, Venus, Earth.", "Earth"),
        ("The planets are Mars, Earth, Venus", "Earth"),
        ("The planets are Mars, Earth, and Venus.", "Mars"),
        ("It is Mars, Earth, or Venus.", "Mars"),
        ("The colours include red, green and blue", "red"),
        ("blue, green, red", "green"),
        ("oxygen, nitrogen, argon", "nitrogen"),
        ("France, Germany, Italy", "Italy"),
        ("London, Paris, Rome", "Paris"),
        ("1, 2, 3", "2"),
        ("- Mars\n- Earth", "Earth"),
        ("1. Mars\n2. Earth\n3. Venus", "Earth"),
        ("Mars\nEarth\nVenus", "Earth"),
        ("Mars; Earth; Venus", "Earth"),
        ("Mars as well as Earth", "Earth"),
        ("Mars along with Earth", "Mars"),
        ("Mars plus Earth", "Earth"),
        ("Answer: Mars, Earth, Venus", "Earth"),
        ("Mars or Venus", "Mars and Venus"),
        ("Italy, Germany, France", "Italy"),
    ],
)
def test_a_longer_list_is_another_answer(answer: str, accepted: str) -> None:
    assert not Contains().is_right(answer, replace(QUESTION, accepted=(accepted,)))


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Mars, Earth, Venus", "Mars, Earth, Venus"),
        ("Mars, Earth, and Venus.", "Mars, Earth, Venus"),
        ("Mars & Venus", "Mars and Venus"),
        ("It lies in Italy, probably", "Italy"),
        ("Paris, France", "Paris"),
        ("Austin, Texas, USA", "Austin"),
        ("London, England, UK", "London"),
        ("New York, New York, USA", "New York"),
        ("Capitol Hill, Washington, D.C.", "Capitol Hill"),
        ("Helen Sharman, OBE, FRSC", "Helen Sharman"),
        ("Second World War: The History and the Events", "Second World War"),
        ("Wellington, North Island, New Zealand", "Wellington"),
        ("William Shakespeare, the playwright, born in Stratford", "William Shakespeare"),
        ("The capital is Paris, and it is old.", "Paris"),
        ("It is Paris, of course, not London", "Paris"),
        ("Paris, probably, or so I think", "Paris"),
        ("Yes, it is, surely, Paris", "Paris"),
        ("Paris\nIt lies on the Seine.", "Paris"),
        ("1. We add the numbers.\n2. The answer is 5.", "5"),
    ],
)
def test_what_a_comma_adds_may_say_more_of_the_same(answer: str, accepted: str) -> None:
    assert Contains().is_right(answer, replace(QUESTION, accepted=(accepted,)))


@pytest.mark.parametrize(
    ("element", "partners"),
    [
        ("carbon", "dioxide monoxide tetrachloride disulfide"),
        ("sodium", "chloride bicarbonate hydroxide nitrate hypochlorite thiosulfate"),
        ("hydrogen", "peroxide sulfide chloride cyanide"),
        ("iron", "oxide sulphate"),
        ("potassium", "permanganate dichromate iodide"),
        ("ammonium", "nitrate"),
        ("silicon", "carbide"),
        ("calcium", "carbonate phosphate"),
        ("uranium", "hexafluoride"),
    ],
)
def test_a_compound_is_not_its_element(element: str, partners: str) -> None:
    for partner in partners.split():
        assert is_substance(element, partner), (element, partner)
        question = replace(QUESTION, accepted=(element,))
        assert not Contains().is_right(f"It is {element} {partner}.", question)
        assert Contains().is_right(f"It is {element} {partner}.", replace(question, accepted=(f"{element} {partner}",)))


@pytest.mark.parametrize("following", ["atoms", "gate", "plate", "is", "dates", "state", "sites", "dioxides too"])
def test_other_words_make_no_compound(following: str) -> None:
    assert not is_substance("carbon", following)
    assert not is_substance("paris", "oxide")
