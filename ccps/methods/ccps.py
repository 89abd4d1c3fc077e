from ccps.methods.base import Evidence, FloatArray, Method


class CCPS(Method):
    """A probe that reads how the answer token holds up when its hidden state is pushed against it.

    Source: arXiv 2505.21772; 75 stability features, contrastive encoder and classifier. Settings: `conf/probe`.
    """

    name = "ccps"
    label = "CCPS"
    source = "probe on 75 stability features (arXiv 2505.21772)"
    trained = True

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax of the probe's two logits, class 1.

        Raises:
            ValueError: the evidence holds no probe.
        """
        if evidence.probe is None:
            raise ValueError("Expected `evidence.probe` to be a fitted probe, but got None. Fit one first.")
        return evidence.probe.predict(evidence.features)
