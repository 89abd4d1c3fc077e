"""Text as it stands, in each language that a report is written in. HTML is escaped by its templates."""

import re

from ccps.core.visible import visible

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "·": r"$\cdot$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "▲": r"$\bigtriangleup$",
    "▼": r"$\bigtriangledown$",
    "δ": r"$\delta$",
    "κ": r"$\kappa$",
    "μ": r"$\mu$",
    "ρ": r"$\rho$",
}

_MARKDOWN = re.compile(
    r"[\\`*_\[\]<>|~$]"  # whatever has a meaning anywhere, and dollars, which make formulae on some hosts
    r"|&(?=#?\w+;)"  # entities
    r"|^#(?=#{0,5}(?:\s|$))|(?:^|(?<=\s))#(?=#*$)"  # headings, and what closes one
    r"|^[-+](?=\s|$)|(?<=^\d)[.)](?=\s|$)|(?<=^\d\d)[.)](?=\s|$)|(?<=^\d\d\d)[.)](?=\s|$)"  # lists
    r"|^-(?=-+$)|^=(?==*$)"  # rules, and lines below a heading
)


def markdown_escape(text: str) -> str:
    """Text that Markdown shows as it stands on one line: as a paragraph, a heading, in a list or in a table's cell."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(" ".join(text.split())))


def latex_escape(text: str) -> str:
    """Text that LaTeX typesets as it stands."""
    return "".join(_LATEX.get(letter, letter) for letter in visible(text)).replace("\n", " ")
