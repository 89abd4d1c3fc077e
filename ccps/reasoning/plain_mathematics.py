r"""Mathematics as people type it, in LaTeX: `sqrt(3)`, `74°`, `11 5/6`, `33.5%`, `x²`, `½`, `∞`."""

import re

_FOREVER = re.compile(r"(?<![\d.])(\d*)\.(\d*)\\overline\s*\{\s*(\d+)\s*\}")
_IMAGINARY = re.compile(r"\\(?:mathrm|text|rm)\s*\{\s*([ieπ])\s*\}")
_INFINITE = re.compile(r"(?<![\\A-Za-z])(?:infinity|inf)(?![A-Za-z])", re.IGNORECASE)
_UNION = re.compile(r"(?<=[)\]])\s*U\s*(?=[(\[])")
_MONEY = re.compile(r"(?<=[\d}])\s*\b(?:dollars?|euros?|cents?|pounds?|yen)\b\.?", re.IGNORECASE)
_ROWS = re.compile(r"\s*\[\s*\[[^\[\]]+\](?:\s*,\s*\[[^\[\]]+\])*\s*\]\s*")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
}  # fmt: skip
_SIGNS = {
    "−": "-", "–": "-", "∞": r"\infty ", "·": r"\cdot ", "×": r"\times ", "÷": r"\div ", "π": r"\pi ", "≤": r"\le ",
    "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "θ": r"\theta ",
}  # fmt: skip
_FUNCTIONS = "arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|log|ln|exp|min|max|gcd"
_ROOT = re.compile(r"(?<![\\A-Za-z])(sqrt|cbrt)(?![A-Za-z])|√|∛")
_ROOT_OF = re.compile(r"\b(?:the\s+)?(square|cube)\s+root\s+of\s+", re.IGNORECASE)
_ARGUMENT = re.compile(r"\s*(\d+(?:\.\d+)?|[A-Za-z])")
_MIXED = re.compile(r"(?<![\d./^{\\])(\d+)\s+(?:(\d+)\s*/\s*(\d+)|\\[dt]?frac\{?(\d+)\}?\{?(\d+)\}?)(?![\d./])")
_WIDE = {place: place - 0xFEE0 for place in range(0xFF01, 0xFF5F)}
_POWER_OF_TEN = re.compile(r"(?<![\w.\\])(\d+(?:\.\d+)?|\.\d+)[eE]([+-]?\d+)(?![\w.])")
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX*]\s*(?=10\s*\^)")
_THOUSANDS = re.compile(r"(?<=\d)(?:\\[,;:!]|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))")
_SPACED = re.compile(r"(?<![\d.,/^{] )(?<![\d.,/^{])\d{1,3}(?: \d{3})+(?!\s*[\d/])")
_PERCENT = re.compile(r"\s*\\?%|\s*\bper\s?cent\b", re.IGNORECASE)
_NUMBER_OF_PERCENT = re.compile(r"(-?\d[\d,]*(?:\.\d+)?|-?\.\d+)(?:\s*\\?%|\s*\bper\s?cent\b)", re.IGNORECASE)


def readings(text: str) -> list[str]:
    """What a text may mean as LaTeX: as it is written, with plain forms turned into LaTeX, per cent read both ways.

    "33.5%" is 0.335 as a number, and 33.5 as the answer to "how many per cent".
    """
    latex = as_latex(text)
    as_share = _NUMBER_OF_PERCENT.sub(lambda number: rf"\frac{{{number[1].replace(',', '')}}}{{100}}", latex)
    more = [_MONEY.sub("", latex)] if _MONEY.search(latex) else []
    if _ROWS.fullmatch(text):
        rows = re.findall(r"\[([^\[\]]+)\]", text)
        inside = r"\\".join(row.replace(",", "&") for row in rows)
        more.append(rf"\begin{{pmatrix}}{inside}\end{{pmatrix}}")
    return list(dict.fromkeys([text, latex, as_share, _PERCENT.sub("", latex), *more]))


def as_latex(text: str) -> str:
    """Turn plain forms of mathematics into LaTeX; what is LaTeX stays."""
    text = re.sub(r"(?<=[\w)}])\.\s*$", "", text.translate(_WIDE))
    text = _SPACED.sub(lambda number: number[0].replace(" ", ""), _THOUSANDS.sub("", text))
    text = re.sub(r"(?<=[\w)])\*\*(?=[\w({-])", "^", text)
    text = _TIMES_TEN.sub(r"\\cdot ", _POWER_OF_TEN.sub(r"\1\\cdot 10^{\2}", text))
    text = re.sub("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]+", lambda run: f"^{{{run[0].translate(_RAISED)}}}", text)
    text = re.sub(f"(?<=[0-9])(?=[{''.join(_FRACTIONS)}])", " ", text)
    for sign, (above, below) in _FRACTIONS.items():
        text = text.replace(sign, f"{above}/{below}")
    text = re.sub(r"(?<=[0-9])\s*(?:°|º|\bdegrees?\b)(?!\s*[CF]\b)", r"^\\circ", text)
    for sign, latex in _SIGNS.items():
        text = text.replace(sign, latex)
    text = _UNION.sub(r"\\cup ", _INFINITE.sub(r"\\infty ", text.replace(r"\varnothing", r"\emptyset")))
    text = _FOREVER.sub(_repeating, _IMAGINARY.sub(r"\1", text))
    text = re.sub(r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi ", text)
    text = re.sub(rf"(?<![\\A-Za-z])({_FUNCTIONS})(?=\s*[(\d^_ ])", r"\\\1", text)
    text = _ROOT_OF.sub(lambda words: "sqrt " if words[1].lower() == "square" else "cbrt ", text)
    return _MIXED.sub(_sum, _with_roots(text))


def _repeating(number: re.Match[str]) -> str:
    """A decimal that repeats its last digits for ever, as a fraction: 0.1 with 6 above it is 15/90."""
    whole, fixed, again = number[1] or "0", number[2], number[3]
    below = (10 ** len(again) - 1) * 10 ** len(fixed)
    above = int(whole + fixed + again) - int(whole + fixed)
    return rf"\frac{{{above}}}{{{below}}}"


def _sum(mixed: re.Match[str]) -> str:
    """A mixed number: 11 5/6 is eleven and five sixths, not a product."""
    above, below = mixed[2] or mixed[4], mixed[3] or mixed[5]
    return rf"({mixed[1]}+\frac{{{above}}}{{{below}}})"


def _with_roots(text: str) -> str:
    while match := _ROOT.search(text):
        start = r"\sqrt[3]" if match[0] in ("cbrt", "∛") else r"\sqrt"
        rest = text[match.end() :]
        inside, after = _bracketed(rest) if rest.lstrip().startswith("(") else _single(rest)
        text = f"{text[: match.start()]}{start}{{{inside}}}{after}"
    return text


def _bracketed(rest: str) -> tuple[str, str]:
    """What stands in the first bracket, and what comes after it; the whole where it is never closed."""
    rest, depth = rest.lstrip(), 0
    for place, sign in enumerate(rest):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return rest[1:place], rest[place + 1 :]
    return rest[1:], ""


def _single(rest: str) -> tuple[str, str]:
    """The number or letter that a root without brackets is of."""
    match = _ARGUMENT.match(rest)
    return (match[1], rest[match.end() :]) if match else ("", rest)
