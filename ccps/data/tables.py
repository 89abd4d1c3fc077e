"""Records out of CSV files as people have them: any delimiter, several encodings, with a header or without.

Nothing is taken for something else in silence: what cannot be told apart is refused with the setting that decides.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ccps.core.console import say
from ccps.core.errors import UserError
from ccps.settings.benchmark import DELIMITERS

AUTO = "auto"

Row = tuple[str, dict[str, Any]]

# The byte order mark says it; the longer marks first, as that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets of western Europe write; every other encoding must be named.
_FALLBACK = "cp1252"
# What Excel takes for the delimiter's name, in a line of its own before all others.
_SEPARATOR = re.compile(r"sep=([^\r\n])(?:\r\n|\r|\n)")
_SPECIAL = re.compile(r"[^\x00-\x7f]")
_NOT_WESTERN = re.compile("[a-z][À-ÖØ-ÞŠŒŽŸ]|[a-z][¢£¥§©®±¶•‡†™][a-z]|[¤¦¬¸¯ˆ˜ŽžŸÿƒ]")
# One that stands beside another.
_RUN = re.compile(r"[^\x00-\x7f](?=[^\x00-\x7f])|(?<=[^\x00-\x7f])[^\x00-\x7f]")


def decode(data: bytes, encoding: str, name: str, *, guess: bool = True) -> str:
    """The text of a file.

    Args:
        data: its bytes.
        encoding: a codec of Python's, or `auto`: what a byte order mark says, else UTF-8, else Windows-1252, which is
            said.
        name: of the file.
        guess: whether Windows-1252 is tried; JSON is UTF-8 by its definition.

    Raises:
        UserError: the bytes are not of that encoding.
    """
    marked = next((codec for mark, codec in _MARKS if data.startswith(mark)), None)
    chosen = (marked or "utf-8") if encoding == AUTO else encoding
    try:
        text = data.decode(chosen)
        _refuse_nul(text, chosen, name)
        return text
    except UnicodeDecodeError as error:
        if guess and encoding == AUTO and marked is None:
            try:
                text = _western(data)
            except UnicodeDecodeError:
                pass
            else:
                _refuse_nul(text, chosen, name)
                hint = f"it is no UTF-8 at byte {error.start}; set `encoding` if it is something else"
                say("questions", name, hint, state="read as Windows-1252")
                return text
        raise UserError(
            f"Expected {name} to be text in {chosen}, but got other bytes ({error}). "
            "Set `encoding` to what it is written in (utf-8, cp1252, utf-16, shift_jis, …), or correct `loader`."
        ) from error


def _refuse_nul(text: str, encoding: str, name: str) -> None:
    if "\0" in text:
        raise UserError(
            f"Expected {name} to be text in {encoding}, but got NUL at character {text.index(chr(0))}, as text in "
            "UTF-16 has it. Set `encoding` to utf-16-le or utf-16-be, or take these characters out."
        )


def _western(data: bytes) -> str:
    """Bytes as Windows-1252, if that makes words of western Europe of them.

    Their accents stand between plain letters, no capital with an accent follows a small letter, and none of the signs
    are there that such words lack and other encodings (Mac Roman, Shift JIS, ISO 8859-15) have in their letters' place.

    Raises:
        UnicodeDecodeError: it does not, as with Russian, Chinese or Japanese in encodings of their own.
    """
    text = data.decode(_FALLBACK)
    special = len(_SPECIAL.findall(text))
    if 2 * len(_RUN.findall(text)) > special or _NOT_WESTERN.search(text):
        raise UnicodeDecodeError(_FALLBACK, data, 0, len(data), "no words of western Europe")
    return text


def read_csv(text: str, columns: Sequence[str], delimiter: str, header: bool | None) -> Iterator[Row]:
    """The rows of a CSV file, each with its line.

    Everything stays text: "NA" and "None" are options, not missing values; a cell that is not there is None.

    Args:
        text: of the file.
        columns: that will be asked for; they tell which delimiter it has, and whether there is a header.
        delimiter: one of `DELIMITERS`, a character, or `auto`: the one that gives all or most of the columns.
        header: whether the first row names the columns; if not, they are called "0", "1", …. None: it does, unless
            all of `columns` are such numbers and the row has no such names.

    Raises:
        csv.Error: it is no such file, has two columns of one name, or a row has more cells than the header.
    """
    sign, said = DELIMITERS.get(delimiter, delimiter), _SEPARATOR.match(text)
    if said:
        text = "\n" + text[said.end() :]  # so that lines keep their numbers
    if delimiter == AUTO:
        sign = said[1] if said else _delimiter(text, columns)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=sign)
    # A cell may be as long as its file.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    first = next((row for row in reader if row), None)
    if first is None:
        return
    line = reader.line_num
    by_place = all(column.isascii() and column.isdecimal() for column in columns) and not set(columns) <= set(first)
    names = first if header or (header is None and not by_place) else [str(place) for place in range(len(first))]
    twice = [name for name, n in Counter(names).items() if n > 1 and name in {*columns, *_tops(columns)}]
    if twice:
        raise csv.Error(f"line {line} has two columns called `{twice[0]}`, of which one would be lost: rename them")
    if names is not first:
        yield f"line {line}", dict(zip(names, first, strict=True))
    for row in reader:
        if not row:
            continue
        if len(row) > len(names):
            raise csv.Error(f"line {reader.line_num} has more cells than the header")
        yield f"line {reader.line_num}", dict(zip(names, [*row, *[None] * (len(names) - len(row))], strict=True))


def _tops(columns: Sequence[str]) -> list[str]:
    return [column.partition(".")[0] for column in columns]


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """The delimiter under which the first row holds most of the columns; the comma if none is better."""
    wanted = set(columns)

    def found(sign: str) -> int:
        first = next((row for row in csv.reader(io.StringIO(text, newline=""), delimiter=sign) if row), [])
        places = {str(place) for place in range(len(first))}
        return max(len(wanted & set(first)), len(wanted & places))

    return max(DELIMITERS.values(), key=found)
