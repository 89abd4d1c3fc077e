"""A scorer as a server: what OpenAI's clients speak, with a confidence on each choice."""

from ccps.serve.app import make_app
from ccps.serve.limits import Limits

__all__ = ["Limits", "make_app"]
