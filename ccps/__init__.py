"""Know when a language model is right, and whether it says what it believes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccps.scorer import ConfidenceScorer

__all__ = ["ConfidenceScorer"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # The scorer brings torch and transformers with it; `import ccps` alone stays light.
    if name == "ConfidenceScorer":
        from ccps.scorer import ConfidenceScorer

        return ConfidenceScorer
    raise AttributeError(f"module `ccps` has no attribute `{name}`")
