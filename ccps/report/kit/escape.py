"""Text as it stands, in each language that a report is written in. HTML is escaped by its templates."""

import re

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
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "κ": r"$\kappa$",
    "ρ": r"$\rho$",
    "·": r"$\cdot$",
    "≈": r"$\approx$",
}


def markdown_escape(text: str) -> str:
    """Text that Markdown shows as it stands, also inside a table cell."""
    return re.sub(r"([\\`*_\[\]<>|~$]|&(?=#?\w+;))", r"\\\1", " ".join(text.split()))


def latex_escape(text: str) -> str:
    """Text that LaTeX typesets as it stands."""
    return "".join(_LATEX.get(letter, letter) for letter in text).replace("\n", " ")
