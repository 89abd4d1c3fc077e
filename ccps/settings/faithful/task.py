"""A dataset as a reasoning task: `conf/faithful/dataset/*.yaml`."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from ccps.core.fields import LARGEST_COUNT, LARGEST_SEED, MISSING, setting
from ccps.core.settings import Fault, fault
from ccps.settings.benchmark import BenchmarkSpec

AnswerKind = Literal["integer", "option", "letter_or_text", "yes_no", "mathematics"]
"""What a final answer looks like. `integer`: a number. `option`: the number of an option, counted from 1.
`letter_or_text`: one letter where the right answer is one letter, else a short text. `yes_no`: one of the two.
`mathematics`: an expression, right if it is equal to the right one."""

PLACEHOLDERS = ("question", "options", "n_options", "steps")
# A name in braces; behind a LaTeX command it is the command's argument.
IN_BRACES = re.compile(r"(?<!\w)\{(\w+)\}")


@dataclass
class TaskSpec:
    """A reasoning task; usable as a structured config."""

    name: str = setting(MISSING, "name of the dataset, the `source` of its questions")
    prompt: str = setting(
        MISSING,
        "what the user says. `{question}`, `{options}` (a numbered line each, from 1), `{n_options}` and "
        "`{steps}` are filled in; other braces stand for themselves, so `\\boxed{}` is written as it is",
    )
    answer: str = setting(MISSING, "what a final answer looks like", one_of=get_args(AnswerKind))
    source: dict[str, BenchmarkSpec] = setting(
        {}, "where its questions lie, under any keys; several are pooled", not_empty=True
    )
    steps: str = setting(
        "20-30",
        "for the prompt, how many steps (paragraphs) the reasoning may have at most. The released code of "
        "arXiv 2606.03969 asks for 20-30",
    )
    n: int | None = setting(
        None,
        "how many questions to draw from the pool, each with the same chance; null takes all",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    seed: int = setting(
        42, "of the draw. A larger sample contains every smaller one of the same seed", at_least=0, at_most=LARGEST_SEED
    )

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        named = IN_BRACES.findall(self.prompt)
        for name in dict.fromkeys(named):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{placeholder}}}" for placeholder in PLACEHOLDERS)
                yield fault("prompt", f"to name only {known}", f"{{{name}}}")
        for name in ("question", "options") if self.answer == "option" else ("question",):
            if name not in named:
                yield fault("prompt", f"to hold {{{name}}}", "none")
        names = Counter(source.name for source in self.source.values())
        for name, n in names.items():
            if n > 1:
                yield fault("source", "of different names", f"`{name}` {n} times")
