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

from ccps.core.console import console
from ccps.core.text import duration

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

    def start(self) -> None:
        """Show the bar."""
        self._started = self._last_line = time.perf_counter()
        self._at_start = self.done
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[done]}/{task.total} " + self.unit + " {task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(self.label, total=self.total, completed=self.done, done=self.done, rate="")
        self._bar.start()

    def advance(self, size: int) -> None:
        """Move on by so many units."""
        self.done += size
        per_second = (self.done - self._at_start) / max(time.perf_counter() - self._started, 1e-9)
        rate = f"{per_second:.2f}/s"
        self._bar.update(self._task, completed=self.done, done=self.done, rate=rate)
        if self.done < self.total:
            self._say(f"{self.done}/{self.total} {self.unit}, {rate}", (self.total - self.done) / per_second)

    def within(self, done: int, total: int) -> None:
        """Show how far the present step is, one that takes long by itself."""
        share = done / total
        self._bar.update(self._task, completed=self.done + share, rate=f"{share:.0%}")
        if share:
            spent = time.perf_counter() - self._started
            self._say(f"{share:.0%}", spent / share - spent)

    def _say(self, how_far: str, seconds_left: float) -> None:
        """A line for a log file, now and then."""
        now = time.perf_counter()
        if not console.is_terminal and now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            console.print(f"{self.label} · {how_far}, {duration(seconds_left)} left", markup=False)

    def stop(self) -> None:
        """Take the bar away, and leave the terminal as it was."""
        if hasattr(self, "_bar"):
            self._bar.stop()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        self.start()

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
        self.advance(batch.work.size)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away."""
        self.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self.stop()
