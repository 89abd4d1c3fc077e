from ccps.methods.base import Evidence, FloatArray, Method


class CCPS(Method):
    """A probe that reads how the answer's tokens hold up when their hidden states are pushed against them.

    Source: arXiv 2505.21772; 75 stability features, contrastive encoder and classifier. Settings: `conf/probe`.
    """

    name = "ccps"
    label = "CCPS"
    source = "probe on 75 stability features (arXiv 2505.21772)"
    trained = True
    version = 2

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax of the probe's two logits, class 1.

        Raises:
            ValueError: the evidence holds no probe.
        """
        if evidence.probe is None:
            raise ValueError("Expected `evidence.probe` to be a fitted probe, but got None. Fit one first.")
        return evidence.probe.predict(evidence.features, evidence.lengths.tolist())
