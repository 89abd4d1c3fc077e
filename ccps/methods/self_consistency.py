import numpy as np

from ccps.meaning.clusters import meaning
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class SelfConsistency(Method):
    """How often the model gives the same answer when it is asked again and again.

    Source: self-consistency, Wang et al. 2022 (arXiv 2203.11171). Calibration-Tuning (arXiv 2406.08391) has a language
    model judge which samples agree with the answer; ours compares option letters or normalised texts, or, if
    `samples.nli_model` is set, asks a model of entailment. The answer itself is not one of the samples. Settings: how
    samples are drawn (`samples`).
    """

    name = "self_consistency"
    label = "Self-consistency"
    place = 120
    source = "share of sampled answers that mean the same as the answer"
    is_probability = True
    version = 2
    needs = frozenset({"samples"})
    takes = "several times as long as answering, for open-ended questions"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = samples that agree with the answer / samples.

        Raises:
            ValueError: the evidence holds no samples, or not for every answer.
        """
        drawn = evidence.read("samples").texts
        return np.array(
            [
                np.mean([meaning(text) == meaning(answer) for text in texts])
                for answer, texts in zip(evidence.texts, drawn, strict=True)
            ]
        )
