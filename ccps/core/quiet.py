"""Keeping what libraries say about themselves out of a run that has its own console."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence, inside the block, what Lightning says about itself and nothing else.

    - Log lines below WARNING: accelerators found, "`Trainer.fit` stopped: `max_steps` reached", tips.
    - The hint that a data loader has few workers: the rows are already in memory.
    - Its own use of a deprecated function of torch.
    - The hint that a GPU is there but unused: `probe.accelerator` decides.

    Warnings of any other kind, and all errors, come through.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*available but not used.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide, inside the block, the progress bars and log lines below ERROR of transformers."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
