"""Methods that change what a language model says: its weights by LoRA, or its logits by a layer on top."""

from ccps.settings.tuning import Divergence, TuningConfig
from ccps.tuning.adapter import Adapter
from ccps.tuning.conversations import Answered, Example, ask_about
from ccps.tuning.tuner import Tuner, Update

__all__ = ["Adapter", "Answered", "Divergence", "Example", "Tuner", "TuningConfig", "Update", "ask_about"]
