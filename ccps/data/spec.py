"""What a benchmark's configuration says: where its data lie and how a record becomes a question."""

import re
from dataclasses import dataclass, field
from string import Formatter

from ccps.core.errors import UserError

CHOICES = {
    "source": ("asset", "folder", "file", "datasets"),
    "loader": ("arrow", "requests", "table"),
    "format": ("mc", "oe"),
    "answer_kind": ("index", "one_based_index", "letter", "label", "text"),
}
# Settings that hold a regular expression, and how many groups it needs.
PATTERNS = {"question_pattern": 1, "option_pattern": 1, "keep_pattern": 0, "keep_answer_pattern": 0}


# Not frozen: Hydra cannot compose files into a frozen schema (its nodes are read-only).
@dataclass
class BenchmarkSpec:
    """Where a benchmark lies and how its records become questions; usable as a structured config.

    Columns are named as they stand in the data; a dot goes into nested columns (``choices.text``). A template is a
    column's name, or a text with columns in braces that are filled in: ``{context} {question}``. In regular
    expressions the dot matches line ends too.

    Attributes:
        name: name of the benchmark, the first part of every question id.
        location: asset name (`ccps.assets.catalogue`), folder, file, or for "datasets" a hub id or a local folder.
        question: template of the question's text.
        answer: column of the right answer.
        source: "asset", "folder", "file" or "datasets" (whatever `datasets.load_dataset` or `load_from_disk` reads;
            remote code is never run).
        member: which files inside the asset or folder: ``*`` within one folder level, ``**`` over several;
            ``{subject}`` stands for one folder or file name part and becomes the subject.
        loader: "arrow" (Arrow IPC streams, as `datasets` saves them), "requests" (``requests.jsonl.gz`` with
            a row per document and option) or "table" (csv, jsonl, parquet); of no meaning for "datasets".
        subset: configuration of the data set, for "datasets".
        data_files: path or pattern of the split's files inside the repository or folder, for "datasets".
        revision: branch, tag or commit of the repository, for "datasets".
        question_pattern: regular expression on the question text; its first group is kept.
        keep_pattern: regular expression on the question text; questions in which it finds nothing are left out.
        keep_answer_pattern: the same on the accepted texts of open-ended questions; one that is found is enough.
        where: column and value, as text, of the records that are wanted (a missing value is the empty text); all others
            are left out.
        max_faulty: largest share of faulty records that are left out and counted, for data that nobody will mend;
            with more of them, or at 0 with any, the benchmark is refused.
        unanswered: value of `answer` that marks a record without a right answer; such records are left out.
        options: one column per option (trailing empty cells mean fewer options), or the one column that
            lists them (a list, or text such as `['a', 'b']`), or with `option_pattern` the one template that
            holds them.
        option_pattern: regular expression with a group that finds the option texts one after the other.
        option_texts: the same options for every question, instead of columns.
        answer_kind: how `answer` is written: "index" (from 0; false and true are 0 and 1), "one_based_index",
            "letter", "label" (one of the column `labels`) or "text" (the option itself; for open-ended
            questions every accepted text, one or a list).
        labels: column that lists the options' labels, for `answer_kind` "label".
        subject: template of the subject, where it is not part of `member`; the benchmark's name stands in for
            an empty one.
        shuffle_options: order the options by a hash of the question's id, for data with a fixed place for the
            right one.
        asked: template of the user's turn word for word, for data that say how the question was put.
        given_answer: column of the answer that the data hold (empty text is an answer, null is none).
        given_label: column that says whether that answer is correct: 0, 1, false or true; -1, empty or null is unknown.
        format: "mc" for multiple choice, "oe" for open-ended (options, if any, only give the accepted text).
        split: split of the data that this is; for "datasets" the split that is read.
        licence: licence of the data.

    Raises:
        UserError: settings that are wrong or do not go together, all in one message.
    """

    name: str
    location: str
    question: str
    answer: str
    source: str = "asset"
    member: str = ""
    loader: str = "arrow"
    subset: str | None = None
    data_files: str | None = None
    revision: str | None = None
    question_pattern: str | None = None
    keep_pattern: str | None = None
    keep_answer_pattern: str | None = None
    where: dict[str, str] = field(default_factory=dict)
    max_faulty: float = 0.0
    unanswered: str | None = None
    options: list[str] = field(default_factory=list)
    option_pattern: str | None = None
    option_texts: list[str] = field(default_factory=list)
    answer_kind: str = "index"
    labels: str | None = None
    subject: str | None = None
    shuffle_options: bool = False
    asked: str | None = None
    given_answer: str | None = None
    given_label: str | None = None
    format: str = "mc"
    split: str = "test"
    licence: str = "unknown"

    def __post_init__(self) -> None:
        faults = [*self._value_faults(), *self._source_faults(), *self._option_faults()]
        if faults:
            lines = "".join(f"\n  - {fault}" for fault in faults)
            raise UserError(f"Expected of benchmark `{self.name}`:{lines}\nCorrect these settings and run again.")

    @property
    def columns(self) -> list[str]:
        """Every column that the description names, each once."""
        templates = [self.question, self.subject, self.asked]
        plain = [self.answer, self.labels, self.given_answer, self.given_label, *self.where]
        (templates if self.option_pattern else plain).extend(self.options)
        named = [column for template in templates if template for column in _template_columns(template)]
        return list(dict.fromkeys([*named, *(column for column in plain if column)]))

    def _value_faults(self) -> list[str]:
        faults = [
            f"`{key}` to be one of {', '.join(allowed)}, but got {getattr(self, key)!r}"
            for key, allowed in CHOICES.items()
            if getattr(self, key) not in allowed
        ]
        if not 0 <= self.max_faulty < 1:
            faults.append(f"`max_faulty` to be a share of 0 or more and below 1, but got {self.max_faulty}")
        for key, least_groups in PATTERNS.items():
            pattern = getattr(self, key)
            if pattern is not None and _n_groups(pattern) < least_groups:
                wanted = "a regular expression" + (" with a group" if least_groups else "")
                faults.append(f"`{key}` to be {wanted}, but got {pattern!r}")
        return faults

    def _source_faults(self) -> list[str]:
        faults = []
        if self.source in ("asset", "folder") and not self.member:
            faults.append(f"`member` to say which files of the {self.source} to read, but got nothing")
        if self.source == "datasets" and self.member:
            faults.append(f"`data_files` instead of `member` for source datasets, but got {self.member!r}")
        if self.source != "datasets":
            faults += [
                f"`{key}` for source datasets only, but got {getattr(self, key)!r}"
                for key in ("subset", "data_files", "revision")
                if getattr(self, key) is not None
            ]
        if self.subject is not None and "{subject}" in self.member:
            faults.append("the subject from either `subject` or `member`, but got both")
        if self.given_label is not None and self.given_answer is None:
            faults.append("`given_answer` with `given_label`, but got only the label")
        return faults

    def _option_faults(self) -> list[str]:
        faults = []
        if self.options and self.option_texts:
            faults.append("either `options` or `option_texts`, but got both")
        if self.option_pattern is not None and len(self.options) != 1:
            faults.append(f"one template in `options` with `option_pattern`, but got {len(self.options)}")
        if self.format == "mc" and not (self.options or self.option_texts):
            faults.append("`options` (columns) or `option_texts` for multiple choice, but got neither")
        if not (self.options or self.option_texts) and self.answer_kind != "text":
            faults.append(f"`answer_kind` to be text where there are no options, but got {self.answer_kind!r}")
        if (self.answer_kind == "label") != (self.labels is not None):
            faults.append(f"`labels` with `answer_kind` label and only then, but got {self.labels!r}")
        if self.keep_answer_pattern is not None and self.format != "oe":
            faults.append(f"`keep_answer_pattern` for open-ended questions only, but got `format` {self.format}")
        return faults


def _template_columns(template: str) -> list[str]:
    if "{" not in template:
        return [template]
    return [column for _, column, _, _ in Formatter().parse(template) if column]


def _n_groups(pattern: str) -> int:
    """How many groups a regular expression has; -1 if it is none."""
    try:
        return re.compile(pattern).groups
    except re.error:
        return -1
