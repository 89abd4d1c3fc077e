"""How the estimators of a model's confidence in a step are set."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_K, setting


@dataclass
class DeepConfConfig:
    """Confidence from the log-probabilities of the likeliest tokens."""

    k: int = setting(5, "alternatives per position", at_least=1, at_most=LARGEST_K)
    scale: float = setting(8.0, "what the mean of a step is divided by", above=0, at_most=1e6)


@dataclass
class RccConfig:
    """Confidence chained through hidden states."""

    mu: float = setting(0.5, "attention from which a token counts as attended to", above=0, at_most=1)
    delta: float = setting(0.4, "weight of a step against those before it", at_least=0, at_most=1)
    hidden: str = setting(
        "pre_norm",
        "states it reads, `pre_norm` (the last layer's output, as the released code) or `post_norm`",
        one_of=("pre_norm", "post_norm"),
    )
    similarity: str = setting("dot", "`dot`, or `cosine`", one_of=("dot", "cosine"))
    token: str = setting(
        "argmax",
        "whose probability counts, that of the likeliest token (`argmax`, as the released code) or of the one"
        " that was drawn (`sampled`)",
        one_of=("argmax", "sampled"),
    )


@dataclass
class StabilityConfig:
    """Confidence from the stability of the final state under perturbation; ours."""

    scorer: str | None = setting(
        None,
        "folder of a scorer for open-ended answers of the same model, as the main job writes them "
        "(`outputs/<experiment>/scorers/<model>/oe`); null for the normalised flip radius, which needs no "
        "probe",
    )
