"""What the model is told about voicing its confidence, beside the task: `conf/faithful/prompt/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import setting


@dataclass
class PromptCondition:
    """What is said beside the task; nothing in the baseline.

    `{phrases}` stands for the hedges of a survey with their probabilities, a line each.
    """

    user: str = setting("", "before the task in the user's turn, with a blank line between")
    system: str = setting("", "in the system's turn")
