"""The models of a plan: their sizes and tokenizers, without their weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ccps.core.errors import UserError
from ccps.core.keys import digest
from ccps.llm import ModelFiles
from ccps.llm.load import find_stored_model, load_tokenizer
from ccps.llm.shape import config_of, hub_config, hub_tokenizer, read_config, shape_of
from ccps.llm.templates import set_template
from ccps.plan.shape import ModelShape
from ccps.settings.model import ModelConfig

NO_SIZES = "its sizes are not known here"
NO_TOKENIZER = "no tokenizer: four characters a token"
SIZES_AS_NAMED = "sizes as in conf/model"


class Subject(NamedTuple):
    """A model that is planned with.

    Attributes:
        files: stand for it among the inputs of stages; no artifact is found for a model that does not lie here.
        shape: its sizes; None where they are not known.
        tokenizer: of transformers; None where there is none.
        assumed: what of it is assumed, in words.
    """

    files: ModelFiles
    shape: ModelShape | None
    tokenizer: Any
    assumed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Key of the model in the configuration."""
        return self.files.name


def find_subject(name: str, config: ModelConfig, shapes: Mapping[str, ModelConfig]) -> Subject:
    """A model as far as it is to be had: from this machine, else from the hub, else from sizes that are written down.

    Args:
        name: its key in the configuration.
        config: its settings.
        shapes: models of the same sizes with random weights, by the names of those they stand for.

    Raises:
        UserError: a setting is wrong.
    """
    stored = find_stored_model(name, config)
    if stored is not None:
        return _with_template(Subject(stored, _shape(read_config(stored), config), load_tokenizer(stored)))
    absent = ModelFiles(name, config, None, digest({"not here": [config.source, config.location, config.dtype]}))
    if config.source == "hub":
        try:
            found = Subject(absent, _shape(hub_config(config), config), hub_tokenizer(config))
            return _with_template(found)
        except UserError:
            raise
        except Exception:  # gated, no network, no such repository: the client raises a dozen types
            pass
    if name not in shapes:
        return Subject(absent, None, None, (NO_SIZES, NO_TOKENIZER))
    return Subject(absent, _shape(config_of(shapes[name]), config), None, (SIZES_AS_NAMED, NO_TOKENIZER))


def _shape(found: Any, config: ModelConfig) -> ModelShape:
    return shape_of(found, config.dtype)


def _with_template(subject: Subject) -> Subject:
    config = subject.files.config
    set_template(subject.tokenizer, subject.name, config.template, config.template_arguments)
    return subject
