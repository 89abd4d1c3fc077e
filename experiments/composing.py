"""What `conf/` and a command line come to. Hydra merges some sixty files for it: once for each choice of files."""

import pickle
from collections.abc import Sequence
from functools import lru_cache

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from ccps.core.errors import UserError
from experiments.configs import CONF, Configs, State
from experiments.sources import parse_files_once

# Choices of files that are kept, of some 50 kB each.
_KEPT = 64


def composed(config_name: str, overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """What `conf/` and a command line come to.

    Hydra first merges the files that are chosen, then puts in the values, and so it is done here; but commands that
    differ in values alone, as those of a sweep do, share the first part.

    Args:
        config_name: primary file in `conf/`.
        overrides: in the form in which Hydra takes them, none of them a sweep.
        with_hydra: whether to leave Hydra's own settings in it.

    Raises:
        UserError: Hydra cannot put them together. `conf/` alone always can be, so whatever it raises is of the rest.
    """
    parse_files_once()
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        configs = Configs.of(parsed, None, [])
        choices = tuple(str(one.input_line) for one in parsed if configs.is_chosen_from(one))
        config = pickle.loads(_of_files(config_name, choices, configs.state, with_hydra))
        assert isinstance(config, DictConfig)
        ConfigLoaderImpl._apply_overrides_to_config([one for one in parsed if not configs.is_chosen_from(one)], config)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise UserError(one_line(error)) from error
    return config


@lru_cache(maxsize=_KEPT)
def _of_files(config_name: str, choices: Sequence[str], state: State, with_hydra: bool) -> bytes:
    """The files that are chosen, merged; pickled, of which a copy is made ten times sooner than by `deepcopy`.

    Args:
        config_name: primary file in `conf/`.
        choices: the overrides that name files, and Hydra's own.
        state: of all files: one that was changed meanwhile is read again.
        with_hydra: whether to leave Hydra's own settings in it.
    """
    with initialize_config_dir(str(CONF), version_base=None):
        return pickle.dumps(compose(config_name, overrides=list(choices), return_hydra_config=with_hydra))


def one_line(error: Exception) -> str:
    """What Hydra says, on one line; of a launcher that is not there, where it is to be had."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "hydra/launcher/" in text:
        return f"{text} This launcher comes with the extra `cluster`: pip install 'ccps[cluster]'."
    return text
