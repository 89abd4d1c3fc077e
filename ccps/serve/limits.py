"""What a server takes of its clients, and how long it works for one of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep a server answering whatever is sent to it.

    Attributes:
        body_bytes: largest request.
        items: most questions of one request to `/v1/score`.
        queued: most questions that wait; more are refused with 429.
        batch: most questions that the model reads at a time.
        gather_s: a batch that is not full begins when nothing has come for so long.
        patience_s: a question that has waited for so long begins beside those that are being answered.
        at_once: most batches that are worked on at a time, taking turns.
        body_s: in which a request must have arrived.
        answer_s: after which a question that is not answered is given up with 504.
    """

    body_bytes: int = 1 << 20
    items: int = 256
    queued: int = 512
    batch: int = 16
    gather_s: float = 0.01
    patience_s: float = 2.0
    at_once: int = 4
    body_s: float = 20.0
    answer_s: float = 120.0
