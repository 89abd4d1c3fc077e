"""A stage that works on the shared model while an adapter is on it."""

from collections.abc import Callable
from typing import Any

from ccps.pipeline.stage import Stage


class AdapterStage(Stage):
    """Puts an adapter on when there is work, and takes it off when the work is done or has failed.

    Other stages use the same model, so it must come out of this one as it went in.
    """

    def put_on(self) -> Callable[[], None]:
        """Put the adapter on the model; return what takes it off."""
        raise NotImplementedError

    def on_predict_start(self) -> None:
        """Put it on."""
        self._take_off = self.put_on()

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Any:
        """Do one step, as Lightning calls it."""
        try:
            return super().predict_step(batch, batch_idx)
        except BaseException:
            self._take_off()
            raise

    def on_predict_end(self) -> None:
        """Take it off."""
        self._take_off()
