"""Whether the words around an accepted text deny it or take it back: "not Paris", "Paris is wrong", "Paris? No".

Told by the words next to the text, in English; what a sentence means is not understood. Each pattern is read on words
as `ccps.grading.normalise` compares them, without articles, and with a bar where a clause or sentence ends.
"""

import re
from collections.abc import Sequence

from ccps.grading.normalise import Word, normalise

_BREAK = "|"
_FALSE = r"(?:wrong|incorrect|false|untrue|mistaken|not (?:right|correct|true|answer|case|it))"

# What denies the words right after it, small words between them. "Nothing but", "none other than", "not only" do not,
# nor does "all except": who names an exception names what is asked for.
_SMALL = (
    r"(?: (?:in|at|on|by|of|from|for|to|as|be|called|named|really|actually|think|believe|say|suppose|that|it|its|this|"
    r"is|was|answer|would|could|might))*$"
)
_DENIAL = re.compile(
    r"(?:^| )(?:not|never|neither|nor|non|cannot|"
    r"(?:is|are|was|were|does|do|did|ca|wo|would|could|should|has|have|had|ai)nt|"
    r"(?:rather|(?<!none )(?<!nothing )other) than|instead of|as opposed to|any(?:thing|where|1|body) but|"
    r"(?:no 1|nobody|noone)(?= (?:would|will|could|says?|thinks?|believes?)\b)(?: will| says| thinks| believes)?|"
    r"(?:wrong|false|untrue|incorrect|mistake|misconception|myth)(?= (?:to|that) )|(?:i|we) doubt)" + _SMALL
)
# "No gravity"; before a number or behind a comma it says something else: "no 5", "no, gravity".
_NO = re.compile(r"(?:^| )no(?: longer| such)?$")
# The longest denial, with the small words.
_WORDS_OF_A_DENIAL = 7

_BE = r"(?:is|are|was|were|would be|must be|has to be|seems|sounds)"
# "Paris is wrong", "Paris would be a common mistake", and not "Paris is wrong to …".
_IS_WRONG = re.compile(
    rf"{_BE} (?:(?:clearly|definitely|certainly|obviously|simply|just|actually|of course|also) )?"
    rf"(?:{_FALSE}|out of question|(?:(?:common|popular|frequent|typical|classic|old) )*"
    r"(?:mistake|misconception|error|myth|fallacy|trap|distractor))(?! (?:that|to|for|about|only|when|if)\b)\b"
)
# "Paris is not", "Paris cannot be right", "Paris is not the capital" where that is what was asked for.
_IS_NOT = re.compile(
    r"(?:(?:is|are|was|were|would|could|can|will|must|does|did)(?:nt| not| never| no longer)|cannot|cant|wont)"
    r"(?: be)?(?: really| actually)?(?P<rest>[^|]*)"
)
_RIGHT = re.compile(
    r" (?:right|correct|true|it|answer|1|case|possible)(?: (?:answer|1|either|here|at all|of course|though))*"
)
# "Paris. That is wrong.", "Paris, but they are mistaken".
_LATER = re.compile(
    rf"(?:^|\| )(?:(?:but|and|yet|although) )?(?:(?:that|this|which|they|it|he|she|i|we)(?: {_BE}| am)|thats|its|im) "
    rf"(?:(?:all|just|simply|also) )?{_FALSE}(?:\||$)"
)
# "Paris, no, wait, London", "Paris. No, it is London."
_CORRECTED = re.compile(
    r"(?:(?:oh|hmm?|er|um|actually|well|but)\|? )*(?:no\|? )?"
    r"(?:wait|sorry|correction|scratch that|strike that|no\|? i mean)\b|"
    r"no(?:pe)?\| (?!(?:not|doubt|really|seriously|question)\b)."
)
_ASKED_BACK = re.compile(r"(?:(?:well|oh|hmm?)\|? )*(?:no|nope|not|wrong|incorrect|never|hardly)\b")
# "I thought it was Paris, but …", "Many say Paris, but …": who thinks so now means it.
_OTHERS = re.compile(
    r"(?:^| )(?:(?:i|we)(?: (?:first|had|always|once|initially|originally))* "
    r"(?:thought|guessed|assumed|believed|expected|said|used to (?:think|say|believe))|"
    r"(?:many|most|some|people|every 1|everyone|everybody|others|they|students|you)"
    r"(?: (?:people|students|of them|would|might|may|often|first|will|still))* "
    r"(?:thinks?|thought|says?|said|believed?|believes|claims?|claimed|assumes?|assumed|guess|guessed|answer|expect))"
    r"(?: (?:that|it|its|is|was|of|answer|would|be|at|first|to))*$"
)
_BUT = re.compile(r"(?:^|\| | )(?:but|however|yet)\|? (?!(?:i|im|not|maybe|perhaps)\b)")
_GUESS = re.compile(
    rf"{_BE}(?: (?:my|our|his|her|their))? "
    r"(?:first|initial|usual|common|popular|obvious|wrong|natural|tempting|intuitive) "
    r"(?:guess|choice|answer|candidate|response|thought|pick)(?:\||$| but| however)"
)


def is_denied(before: Sequence[Word], wanted: Sequence[str]) -> bool:
    """Whether the words that follow are denied: "not Paris", "London rather than Paris", "I do not think it is Paris".

    Args:
        before: the words before them.
        wanted: these words.
    """
    said = _joined(before[-_WORDS_OF_A_DENIAL:])
    if _DENIAL.search(said):
        return True
    return not wanted[0][:1].isdigit() and _NO.search(said) is not None


def is_taken_back(words: Sequence[Word], start: int, end: int, question: str) -> bool:
    """Whether what follows the words from `start` to `end` takes them back.

    Args:
        words: of an answer.
        start: of those in question.
        end: of them, not included.
        question: that was asked; "Paris is not the capital" denies Paris where the capital is asked for.
    """
    last, after = words[end - 1].written[-1], _joined(words[end:])
    if last == "?" and _ASKED_BACK.match(after):
        return True
    if last in ",.;:!?…" and _CORRECTED.match(after):
        return True
    if last not in ".;:!" and (_IS_WRONG.match(after) or _is_not(after, question) or _GUESS.match(after)):
        return True
    if _LATER.search(f"{_BREAK} {after}" if last in ",.;:!" else after):
        return True
    sentence = _joined(words[:start]).rpartition(_BREAK)[2]
    return _OTHERS.search(sentence) is not None and _BUT.search(after) is not None


def _is_not(after: str, question: str) -> bool:
    found = _IS_NOT.match(after)
    if not found:
        return False
    rest = found["rest"].rstrip()
    return not rest or _RIGHT.fullmatch(rest) is not None or set(rest.split()) <= set(normalise(question).split())


def _joined(words: Sequence[Word]) -> str:
    """The words as they are compared, each with a bar behind it where the clause ends there."""
    return " ".join(word.token + (_BREAK if word.written[-1] in ",;:.!?…" else "") for word in words)
