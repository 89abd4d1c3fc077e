"""What the model is told about voicing its confidence, beside the task: `conf/faithful/prompt/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import MISSING, setting


@dataclass
class Demonstration:
    """A question and how it is to be reasoned about, as an earlier turn of the conversation."""

    question: str = setting(MISSING, "put by the task's prompt, as the question that follows is", not_empty=True)
    reply: str = setting(
        MISSING, "what the model is taken to have written, in steps as the task asks for", not_empty=True
    )


@dataclass
class PromptCondition:
    """What is said beside the task; nothing in the baseline.

    `{phrases}` stands for the hedges of a survey with their probabilities, a line each.
    """

    user: str = setting("", "before the task in the user's turn, with a blank line between")
    system: str = setting("", "in the system's turn")
    demonstrations: list[Demonstration] = setting([], "earlier turns of the conversation, in their order")
