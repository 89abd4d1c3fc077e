"""The one environment of templates: everything that goes into a page is escaped, unless it is markup already."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ccps.core.visible import visible

ROOM = Path(__file__).parent.parent


def render(template: str, **values: Any) -> Markup:
    """Fill a template; its path is within `ccps/report`."""
    return Markup(_environment().get_template(template).render(**values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOM),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["arrows"] = _arrows
    return environment


def _shown(value: Any) -> Any:
    """What goes into a page, with its hidden characters spelt out."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _arrows(text: str) -> Markup:
    """A title whose arrow is read out as what it means."""
    escaped = Markup.escape(visible(text))
    for arrow, words in (("↓", "lower is better"), ("↑", "higher is better")):
        escaped = escaped.replace(arrow, Markup('<span aria-label="{}">{}</span>').format(words, arrow))
    return escaped
