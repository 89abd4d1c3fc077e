"""What a benchmark's configuration says: where its data lie and how a record becomes a question."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from ccps.core.fields import MISSING, setting
from ccps.core.settings import NAMES, Fault, fault, is_name, shown

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
# What `datasets` calls files without a repository around them, whose paths stand in `data_files`.
PLAIN_FILES = ("arrow", "csv", "json", "pandas", "parquet", "text")
# Settings that hold a regular expression, and how many groups it needs.
PATTERNS = {"question_pattern": 1, "option_pattern": 1, "keep_pattern": 0, "keep_answer_pattern": 0}


# Not frozen, here as in the files beside: Hydra cannot compose files into a frozen schema (its nodes are read-only).
@dataclass
class BenchmarkSpec:
    """Where a benchmark lies and how its records become questions; usable as a structured config.

    Columns are named as they stand in the data; a dot goes into nested columns (``choices.text``). A template is a
    column's name, or a text with columns in braces that are filled in: ``{context} {question}``. In regular
    expressions the dot matches line ends too.
    """

    name: str = setting(MISSING, "name of the benchmark, the first part of every question id")
    location: str = setting(
        MISSING, 'asset name (`ccps.assets.catalogue`), folder, file, or for "datasets" a hub id or a local folder'
    )
    question: str = setting(MISSING, "template of the question's text")
    answer: str = setting(MISSING, "column of the right answer")
    source: str = setting(
        "asset",
        '"asset", "folder", "file" or "datasets" (whatever `datasets.load_dataset` or `load_from_disk` reads;'
        " remote code is never run)",
        one_of=("asset", "folder", "file", "datasets"),
    )
    member: str = setting(
        "",
        "which files inside the asset or folder: ``*`` within one folder level, ``**`` over several; "
        "``{subject}`` stands for one folder or file name part and becomes the subject",
    )
    loader: str = setting(
        "arrow",
        '"arrow" (Arrow IPC streams, as `datasets` saves them), "requests" (``requests.jsonl.gz`` with a row '
        'per document and option), "table" (csv, jsonl, parquet), "lm_eval" (samples that lm-evaluation-harness logs) '
        'or "inspect" (logs of Inspect, .eval and .json); of no meaning for "datasets"',
        one_of=("arrow", "requests", "table", "lm_eval", "inspect"),
    )
    encoding: str = setting(
        "auto",
        'of a file of the loader "table", a codec of Python\'s; "auto" is what a byte order mark says, else UTF-8, '
        "else (CSV alone) Windows-1252, which is said",
        not_empty=True,
    )
    delimiter: str = setting(
        "auto",
        'of a CSV file: "comma", "semicolon", "tab", "pipe" or a character; "auto" is the one under which the first '
        "row holds the columns named here",
        not_empty=True,
    )
    header: bool | None = setting(
        None,
        'whether the first row of a CSV file names its columns; without one they are called "0", "1", and so on; empty '
        "means that it does, unless all columns named here are such numbers",
    )
    repeated: str = setting(
        "once",
        'a question that stands in the data more than once, with the same options: "once" asks it once, "keep" each '
        "time",
        one_of=("once", "keep"),
    )
    twice_right: str = setting(
        "either",
        'a question whose right option stands at two letters: "either" accepts both, "keyed" only the one that the '
        'data name, "leave_out" asks none',
        one_of=("either", "keyed", "leave_out"),
    )
    printed: str = setting(
        "refuse",
        "a text that is nothing but a list of texts, a mapping or bytes as programs print them (`['a', 'b']`): "
        '"refuse" it, as it is hardly what was meant to be asked, or "keep" it, of questions on programs (a list of '
        "options or of accepted answers that a cell writes out is read as that list, unless it is kept)",
        one_of=("refuse", "keep"),
    )
    half: str | None = setting(
        None,
        '"first" or "second" half of the questions, by a hash of their text: what is trained on the one can be tested '
        "on the other; empty takes all",
        one_of=("first", "second"),
    )
    subset: str | None = setting(None, 'configuration of the data set, for "datasets"')
    data_files: str | None = setting(
        None, 'path or pattern of the split\'s files inside the repository or folder, for "datasets"'
    )
    revision: str | None = setting(None, 'branch, tag or commit of the repository, for "datasets"')
    question_pattern: str | None = setting(None, "regular expression on the question text; its first group is kept")
    keep_pattern: str | None = setting(
        None, "regular expression on the question text; questions in which it finds nothing are left out"
    )
    keep_answer_pattern: str | None = setting(
        None, "the same on the accepted texts of open-ended questions; one that is found is enough"
    )
    where: dict[str, str] = setting(
        {},
        "column and value, as text, of the records that are wanted (a missing value is the empty text); all "
        "others are left out",
    )
    max_faulty: float = setting(
        0.0,
        "largest share of faulty records that are left out and counted, for data that nobody will mend; with "
        "more of them, or at 0 with any, the benchmark is refused",
        at_least=0,
        below=1,
    )
    unanswered: str | None = setting(
        None, "value of `answer` that marks a record without a right answer; such records are left out"
    )
    options: list[str] = setting(
        [],
        "one column per option (trailing empty cells mean fewer options), or the one column that lists them "
        "(a list, or text such as `['a', 'b']`), or with `option_pattern` the one template that holds them",
    )
    option_pattern: str | None = setting(
        None, "regular expression with a group that finds the option texts one after the other"
    )
    option_texts: list[str] = setting([], "the same options for every question, instead of columns")
    answer_kind: str = setting(
        "index",
        'how `answer` is written: "index" (from 0; false and true are 0 and 1), "one_based_index", "letter", '
        '"label" (one of the column `labels`) or "text" (the option itself; for open-ended questions every '
        "accepted text, one or a list)",
        one_of=("index", "one_based_index", "letter", "label", "text"),
    )
    labels: str | None = setting(None, 'column that lists the options\' labels, for `answer_kind` "label"')
    subject: str | None = setting(
        None,
        "template of the subject, where it is not part of `member`; the benchmark's name stands in for an empty one",
    )
    shuffle_options: bool = setting(
        False, "order the options by a hash of the question's id, for data with a fixed place for the right one"
    )
    asked: str | None = setting(
        None, "template of the user's turn word for word, for data that say how the question was put"
    )
    given_answer: str | None = setting(
        None, "column of the answer that the data hold (empty text is an answer, null is none)"
    )
    given_label: str | None = setting(
        None,
        "column that says whether that answer is correct: 0, 1, false, true, no, yes; -1, empty or null is unknown",
    )
    format: str = setting(
        "mc",
        '"mc" for multiple choice, "oe" for open-ended (options, if any, only give the accepted text)',
        one_of=("mc", "oe"),
    )
    split: str = setting("test", 'split of the data that this is; for "datasets" the split that is read')
    licence: str = setting("unknown", "licence of the data")

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if not is_name(self.name):
            yield fault("name", "one of the " + NAMES, shown(self.name))
        yield from self._template_faults()
        yield from self._pattern_faults()
        yield from self._table_faults()
        yield from self._source_faults()
        yield from self._option_faults()

    @property
    def is_own(self) -> bool:
        """Whether its records lie in files of the user's own, not in an asset or on the hub."""
        if self.source == "datasets":
            return Path(self.location).expanduser().exists() or self.location in PLAIN_FILES
        return self.source in ("file", "folder")

    @property
    def columns(self) -> list[str]:
        """Every column that the description names, each once."""
        templates = [self.question, self.subject, self.asked]
        plain = [self.answer, self.labels, self.given_answer, self.given_label, *self.where]
        (templates if self.option_pattern else plain).extend(self.options)
        named = [column for template in templates if template for column in _template_columns(template)]
        return list(dict.fromkeys([*named, *(column for column in plain if column)]))

    def _template_faults(self) -> Iterator[Fault]:
        options = self.options if self.option_pattern else []
        named = [("question", self.question), ("subject", self.subject), ("asked", self.asked)]
        for name, template in [*named, *(("options", template) for template in options)]:
            if template is not None and not _is_template(template):
                wanted = "a column's name, or a text with columns in braces such as {question}"
                yield fault(name, wanted, shown(template), "write {{ and }} for braces")

    def _pattern_faults(self) -> Iterator[Fault]:
        for name, least_groups in PATTERNS.items():
            pattern = getattr(self, name)
            if pattern is not None and _n_groups(pattern) < least_groups:
                yield fault(name, "a regular expression" + (" with a group" if least_groups else ""), repr(pattern))

    def _table_faults(self) -> Iterator[Fault]:
        if self.delimiter not in ("auto", *DELIMITERS) and len(self.delimiter) != 1:
            yield fault("delimiter", f"auto, {', '.join(DELIMITERS)} or a character", repr(self.delimiter))
        if self.encoding != "auto" and not _is_codec(self.encoding):
            yield fault("encoding", "auto or a codec such as utf-8 or cp1252", repr(self.encoding))

    def _source_faults(self) -> Iterator[Fault]:
        if self.source in ("asset", "folder") and not self.member:
            yield fault("member", f"the files of the {self.source} to read", "nothing")
        if self.source == "datasets" and self.member:
            yield fault("member", "empty for source datasets", repr(self.member), "use `data_files`")
        for name in ("subset", "data_files", "revision"):
            if self.source != "datasets" and getattr(self, name) is not None:
                yield fault(name, "left out but for source datasets", repr(getattr(self, name)))
        if self.subject is not None and "{subject}" in self.member:
            yield fault("subject", "left out where `member` says it", repr(self.subject))
        if self.given_label is not None and self.given_answer is None:
            yield fault("given_answer", "given with `given_label`", "only the label")

    def _option_faults(self) -> Iterator[Fault]:
        has_options = bool(self.options or self.option_texts)
        if self.options and self.option_texts:
            yield fault("options", "left out where `option_texts` are given", "both")
        if self.option_pattern is not None and len(self.options) != 1:
            yield fault("options", "one template with `option_pattern`", len(self.options))
        if self.format == "mc" and not has_options:
            yield fault("options", "columns for multiple choice, or `option_texts` given", "neither")
        if not has_options and self.answer_kind != "text":
            yield fault("answer_kind", "text where there are no options", repr(self.answer_kind))
        if (self.answer_kind == "label") != (self.labels is not None):
            yield fault("labels", "given with `answer_kind` label and only then", repr(self.labels))
        if self.keep_answer_pattern is not None and self.format != "oe":
            yield fault("keep_answer_pattern", "for open-ended questions only", f"`format` {self.format}")


def _is_template(template: str) -> bool:
    """Whether all that stands in braces names a column, and nothing else."""
    try:
        fields = [one for one in Formatter().parse(template) if one[1] is not None]
    except ValueError:
        return False
    return all(column and not layout and conversion is None for _, column, layout, conversion in fields)


def _template_columns(template: str) -> list[str]:
    if "{" not in template or not _is_template(template):
        return [template]
    return [column for _, column, _, _ in Formatter().parse(template) if column]


def _is_codec(name: str) -> bool:
    """Whether Python knows an encoding of texts by that name."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _n_groups(pattern: str) -> int:
    """How many groups a regular expression has; -1 if it is none."""
    try:
        return re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError):
        return -1
