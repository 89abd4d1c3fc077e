"""Published figures of faithfulness as data: files of the group `conf/claims` whose figures are of reasoning traces."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Any

from ccps.analysis.claims import WAY_OUT, Claim, check_keys, read_number, read_tolerance
from ccps.analysis.faithful_terms import label_of
from ccps.core.errors import expected
from ccps.core.text import listed

FILE_KEYS = ("source", "note", "mode", "decisiveness", "judge", "tolerance", "figures")
FIGURE_KEYS = ("table", "model", "datasets", "over", "prompt", "values")
OVER: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType({"mean": fmean, "min": min, "max": max})

_METRICS = MappingProxyType(
    {
        "accuracy": "accuracy",
        "mean_decisiveness": "decisiveness",
        "mean_confidence": "confidence",
        "cmfg_star": "cMFG*",
        "spearman_across": "ρ of decisiveness with confidence over traces",
        "judge_pearson": "Pearson’s r of the judge of words with people",
        "judge_spearman": "Spearman’s ρ of the judge of words with people",
    }
)
OF_JUDGE = "judge_"
"""What metrics begin with that speak of the judge of words itself, not of a run."""
_CORRELATIONS = frozenset({"spearman_across", "judge_pearson", "judge_spearman"})


@dataclass(frozen=True)
class FaithfulClaim(Claim):
    """A published figure of faithfulness; `method` is its estimator, `benchmarks` are datasets, both empty where none.

    Attributes:
        table: the table or figure it stands in.
        prompt: the prompt condition, or None where that is not known.
        over: what it is over its datasets, a name in `OVER`.
    """

    table: str
    prompt: str | None
    over: str


@dataclass(frozen=True)
class FaithfulClaimSet:
    """The figures of one publication.

    Attributes:
        name: short name.
        source: where they were published.
        mode: by which code they were computed, `strict` or `parity`.
        decisiveness: who judged the words there, a name in `ccps.reasoning.decisiveness`.
        judge: who compared continuations there, a name in `ccps.reasoning.judges`.
        claims: the figures.
    """

    name: str
    source: str
    mode: str
    decisiveness: str
    judge: str
    claims: tuple[FaithfulClaim, ...]


def parse_faithful_claims(content: Mapping[str, Any]) -> tuple[FaithfulClaimSet, ...]:
    """Read published figures, given as a mapping from the name of each set to the content of its file.

    An entry of `figures` names table, model, datasets, `over` and prompt, and holds `values`: metric → value, or
    metric → estimator → value. Model, datasets, prompt and values are null where they are not known.

    Raises:
        UserError: when a key is missing or unknown, or a value is of the wrong kind.
    """
    found = []
    for name, file in content.items():
        try:
            found.append(_parse_set(str(name), file))
        except (TypeError, ValueError, AttributeError, LookupError) as error:  # values that are of another kind
            wanted = "figures in the shape of its kind"
            raise expected(f"`claims.{name}`", wanted, f"something else ({error})", WAY_OUT) from error
    return tuple(found)


def _parse_set(name: str, file: Any) -> FaithfulClaimSet:
    here = f"`claims.{name}`"
    check_keys(here, file, FILE_KEYS)
    claims = tuple(claim for figure in file["figures"] for claim in _figures(name, file, figure))
    ids = [claim.id for claim in claims]
    if len(set(ids)) != len(ids):
        raise expected(f"the figures of {here}", "all different", ids, WAY_OUT)
    texts = ("source", "mode", "decisiveness", "judge")
    for key in texts:
        if not isinstance(file[key], str | None):
            raise expected(f"`{key}` in {here}", "a text or null", file[key], WAY_OUT)
    source, mode, words, judge = (str(file[key]) for key in texts)
    return FaithfulClaimSet(name, source, mode, words, judge, claims)


def _figures(name: str, file: Mapping[str, Any], figure: Any) -> Iterator[FaithfulClaim]:
    here = f"`claims.{name}.figures`"
    check_keys(here, figure, FIGURE_KEYS)
    if figure["over"] not in OVER:
        raise expected(f"`over` in {here}", f"one of {list(OVER)}", figure["over"], WAY_OUT)
    model, datasets, over = figure["model"], tuple(figure["datasets"] or ()), str(figure["over"])
    for metric, estimator, value in _values(here, figure["values"]):
        parts = (name, figure["table"], model or "?", "+".join(datasets) or "?", over, metric, estimator)
        yield FaithfulClaim(
            id="/".join(str(part).replace(" ", "_") for part in parts if part),
            quantity=_in_words(metric, estimator, model, datasets, over),
            method=estimator,
            metric=metric,
            scale="correlation" if metric in _CORRELATIONS else "value",
            models=(str(model),) if model else (),
            benchmarks=datasets,
            value=read_number(here, value),
            spread=None,
            tolerance=read_tolerance(here, file),
            note=str(file["note"]),
            table=str(figure["table"]),
            prompt=figure["prompt"],
            over=over,
        )


def _in_words(metric: str, estimator: str, model: str | None, datasets: tuple[str, ...], over: str) -> str:
    what = f"{_METRICS[metric]} ({label_of(estimator)})" if estimator else _METRICS[metric]
    if metric.startswith(OF_JUDGE):
        return what
    place = f"{model or 'a model not named'} on {listed(datasets) or 'data not named'}"
    return f"{what}, {place}" if over == "mean" and len(datasets) < 2 else f"{what}, {place}, {over} over these"


def _values(here: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Metric, estimator (empty where the metric has none) and value."""
    for metric, given in values.items():
        if metric not in _METRICS:
            raise expected(f"`values` in {here}", f"of {list(_METRICS)}", metric, WAY_OUT)
        if isinstance(given, Mapping):
            yield from ((metric, str(estimator), value) for estimator, value in given.items())
        else:
            yield metric, "", given
