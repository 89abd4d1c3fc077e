from ccps.calibrators import Kind
from ccps.methods.calibrated import Calibrated
from ccps.methods.p_true import PTrue
from ccps.methods.registry import register


@register
class LTS(Calibrated):
    """Logit temperature scaling: the model's "yes" to its own answer, its two logits divided by a temperature.

    Source: temperature scaling, Guo et al. 2017 (arXiv 1706.04599), on the options of the self-evaluation query, as
    Calibration-Tuning has it among its baselines (arXiv 2406.08391). Theirs: one parameter, log T, and the
    cross-entropy of the scaled logits with the grades, minimised by AdamW (learning rate 1e-3, weight decay 1e-2, 2000
    steps, batches of 64, cosine schedule). Ours: the same loss over the same parameter, brought to its minimum by
    scikit-learn's temperature scaling, so that neither the steps nor weight decay, which pulls T towards 1, leave a
    trace; on the training answers, of which the untrained P(True) has learnt nothing. Of two options the softmax of
    logits divided by T is a sigmoid of the logit of P(True) divided by T. Settings: none.
    """

    name = "lts"
    label = "LTS"
    place = 50
    source = 'softmax over "no" and "yes" of a self-evaluation query, temperature fitted to training answers'
    needs = PTrue.needs
    is_seeded = False

    def __init__(self) -> None:
        super().__init__(PTrue(), Kind.temperature)
