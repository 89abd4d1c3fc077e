"""How many questions are used, and which."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_SEED, setting


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
    seed: int = setting(23, "of the shuffle", at_least=0, at_most=LARGEST_SEED)
