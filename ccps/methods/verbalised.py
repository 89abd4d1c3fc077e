import numpy as np

from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class Verbalised(Method):
    """What the model says in words when it is asked how probable it is that its answer is correct.

    Source: two-stage verbalised confidence, Tian et al. 2023 (arXiv 2305.14975). Ours: the wording of the query:
    `ccps.asking.verbalised`. A reply that names no probability has none: P(correct) is NaN, and the answer is not
    scored. Settings: none.
    """

    name = "verbalised"
    label = "Verbalised"
    place = 140
    source = "the percentage that the model names when asked how probable it is that its answer is correct"
    is_probability = True
    needs = frozenset({"verbalised"})
    takes = "nearly as long as answering multiple choice"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) as the model named it, NaN where it named none.

        Raises:
            ValueError: the evidence holds no replies.
        """
        return np.asarray(evidence.read("verbalised"), dtype=np.float64)
