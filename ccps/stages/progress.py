"""A bar with rate and time left while a stage works."""

import time
from typing import Any

import lightning.pytorch as pl
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ccps.console import console
from ccps.report.text import duration

_SECONDS_BETWEEN_LINES = 30


class StageProgress(pl.Callback):
    """A progress bar over the units of a stage; in a log file, a line every half minute instead.

    Attributes:
        total: units of the whole stage.
        done: units that earlier runs have done.
    """

    def __init__(self, stage: str, title: str, unit: str) -> None:
        self.label = f"{stage:<9} {title}"
        self.unit = unit
        self.total = 0
        self.done = 0

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        self._started = self._last_line = time.perf_counter()
        self._at_start = self.done
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} " + self.unit + " {task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(self.label, total=self.total, completed=self.done, rate="")
        self._bar.start()

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move on by the units of one step."""
        self.done += batch.work.size
        now = time.perf_counter()
        per_second = (self.done - self._at_start) / max(now - self._started, 1e-9)
        rate = f"{per_second:.2f}/s"
        self._bar.update(self._task, completed=self.done, rate=rate)
        is_due = self.done < self.total and now - self._last_line > _SECONDS_BETWEEN_LINES
        if is_due and not console.is_terminal:
            self._last_line = now
            left = duration((self.total - self.done) / per_second)
            console.print(f"{self.label} · {self.done}/{self.total} {self.unit}, {rate}, {left} left", markup=False)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away."""
        self._bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        if hasattr(self, "_bar"):
            self._bar.stop()
