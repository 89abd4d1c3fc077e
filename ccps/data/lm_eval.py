"""Records out of the samples that lm-evaluation-harness logs (`--log_samples`, 0.4): what was asked, answered, graded.

To a record's own columns come `question` (the prompt), `answers` (what was answered, by metric) and, for multiple
choice, `options` and `right` (the index of the right one); else `accepted` and `response`, all that the model wrote,
where `answers` hold what the task's filter made of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from ccps.core.errors import UserError
from ccps.data.tables import Row

_NOTHING_FOUND = "[invalid]"


def read_samples(records: Iterator[Row], path: object, where: Mapping[str, str]) -> Iterator[Row]:
    """Yield each record with the columns named above.

    Args:
        records: of one file.
        path: of it, for messages.
        where: the columns and values by which the benchmark chooses among them; `filter` may be one.

    Raises:
        UserError: a record is no such sample, a document comes twice, or several filters were applied and none is
            named.
    """
    seen: set[tuple[str, str]] = set()
    for line, record in records:
        try:
            columns = _columns(record)
            key = str(record["doc_id"]), str(record.get("filter"))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise UserError(
                f"Expected {line} of {path} to be a sample of lm-evaluation-harness 0.4, multiple choice or generated, "
                f"but got: {why}. Pass the file `samples_….jsonl` of one task that `--log_samples` writes."
            ) from error
        if key in seen:
            raise UserError(
                f"Expected {path} to hold every document once for each filter, but got doc_id {key[0]} twice, the "
                f"second time at {line}. Pass the samples of one run."
            )
        seen.add(key)
        filters = sorted({name for _, name in seen})
        if len(filters) > 1 and "filter" not in where:
            raise UserError(
                f"Expected the filter to be named, as {path} holds the answers of several, but got none. "
                f"Choose one: `where: {{filter: {filters[0]}}}` or {', '.join(filters[1:])}."
            )
        yield line, record | columns


def _columns(record: Mapping[str, Any]) -> dict[str, Any]:
    pairs = [(one["arg_0"], one["arg_1"]) for one in record["arguments"].values()]
    prompt, metrics = str(pairs[0][0]), list(record["metrics"])
    if all(isinstance(given, str) for _, given in pairs) and len(pairs) > 1:
        return {"question": prompt} | _choice(record, pairs, metrics)
    if len(pairs) != 1 or not isinstance(pairs[0][1], Mapping):
        raise ValueError("a likelihood of something else than options")
    said = record["filtered_resps"][0]
    response = record["resps"][0][0]
    if not isinstance(said, str) or not isinstance(response, str):
        raise ValueError(f"an answer that is no text: {str(said)[:60]}")
    # No answer was found in these: a record without `answers` is told as faulty where they are asked for.
    answers = {} if said == _NOTHING_FOUND else dict.fromkeys(metrics, said)
    return {"question": prompt, "accepted": record["target"], "answers": answers, "response": response}


def _choice(record: Mapping[str, Any], pairs: Sequence[tuple[str, str]], metrics: Sequence[str]) -> dict[str, Any]:
    """The options, the right one, and the chosen one for each metric: `…_norm` goes by likelihood per character."""
    if len({prompt for prompt, _ in pairs}) > 1:
        raise ValueError("options that stand in the prompts, not behind one prompt")
    if len(pairs) > len(ascii_lowercase):
        raise ValueError(f"{len(pairs)} options, more than there are letters")
    options = [option.strip() for _, option in pairs]
    likelihoods = [float(response[0]) for response in record["filtered_resps"]]
    if len(likelihoods) != len(options):
        raise ValueError(f"{len(likelihoods)} likelihoods of {len(options)} options")
    right = _right(record["target"], options)
    answers = {}
    for metric in metrics:
        lengths = [max(len(option), 1) if metric.endswith("_norm") else 1 for option in options]
        values = [likelihood / length for likelihood, length in zip(likelihoods, lengths, strict=True)]
        chosen = values.index(max(values))
        # Where the label is of something else than this choice, the two must not be learnt from together.
        if metric in ("acc", "acc_norm") and bool(record[metric]) != (chosen == right):
            raise ValueError(f"`{metric}` {record[metric]} where option {chosen} is likeliest and {right} is right")
        answers[metric] = ascii_lowercase[chosen]
    return {"options": options, "right": right, "answers": answers}


def _right(target: object, options: Sequence[str]) -> int:
    written = str(target).strip()
    if written in options:
        return options.index(written)
    if not written.isdecimal() or int(written) >= len(options):
        raise ValueError(f"a target {target!r} that is none of the {len(options)} options")
    return int(written)
