"""What a server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Measures:
    """Counts of one server; each has its own registry, so that several may live in one process.

    Args:
        waiting: says how many questions wait.
    """

    def __init__(self, waiting: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter("ccps_requests", "Requests that were answered", ["path", "status"], registry=own)
        self.seconds = Histogram("ccps_request_seconds", "To the last byte", ["path"], buckets=_SECONDS, registry=own)
        self.batches = Histogram("ccps_batch_questions", "Questions read together", buckets=_SIZES, registry=own)
        self.confidences = Histogram("ccps_p_correct", "P(correct) of answers", buckets=_TENTHS, registry=own)
        self.abstained = Counter("ccps_abstained", "Answers below the certified threshold", registry=own)
        Gauge("ccps_waiting_questions", "Questions that wait", registry=own).set_function(waiting)

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        return generate_latest(self._registry)
