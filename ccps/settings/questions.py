"""How many questions are used, and which."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_SEED, setting

SIZES = ("train_total", "test_per_subject", "per_subject")


@dataclass
class QuestionSampling:
    """How many questions are used."""

    train_total: int | None = setting(
        None,
        "training questions of each format over all sources, equal shares; null means all",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    test_per_subject: int | None = setting(
        None, "test questions per subject; null means all", at_least=1, at_most=LARGEST_COUNT
    )
    per_subject: dict[str, int | None] = setting(
        {},
        "the same for single tests, by their keys, in place of `test_per_subject`; a key that no test has does nothing",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    order: str = setting(
        "shuffled",
        "`shuffled` (by a hash of seed and question) or `first` (rows as they stand)",
        one_of=("shuffled", "first"),
    )
    remainder: str = setting(
        "deal",
        "what becomes of a share that a source is too small to fill: `deal` it to the other sources, or "
        "`drop` it, as Calibration-Tuning does",
        one_of=("deal", "drop"),
    )
    cuts_own: list[str] = setting(
        list(SIZES),
        "which of these sizes cut benchmarks in files of the user's own too, which are used whole otherwise. "
        "`conf/config.yaml` names none, so that no experiment cuts them; a size on the command line is added",
        one_of=SIZES,
    )
    seed: int = setting(23, "of the shuffle", at_least=0, at_most=LARGEST_SEED)
