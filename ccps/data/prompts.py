"""What the model is asked, word for word.

Layout of Calibration-Tuning (arXiv 2406.08391), system prompts of CCPS (arXiv 2505.21772).
"""

from typing import Literal, get_args

from ccps.data.records import Question

SYSTEM_PROMPTS = {
    "mc": (
        "You are an expert who responds with concise, correct answers. For multiple-choice questions, "
        "respond only with the letter of the correct option (e.g., a, b, c, d, ...). Do not include any "
        "explanation or additional text."
    ),
    "oe": (
        "You are an expert who responds with concise, correct answers. Directly state the answer without "
        "phrases like 'the correct answer is'"
    ),
}
TARGET_PROMPT = "\nAnswer:"

SystemRole = Literal["system", "omit", "prepend"]


def context(question: Question) -> str:
    """The question, and for multiple choice one line ``  (a): text`` per option."""
    if question.format == "oe":
        return f"Question: {question.text}"
    options = "\n".join(
        f"  ({letter}): {option}" for letter, option in zip(question.letters, question.options, strict=True)
    )
    return f"Question:\n{question.text}\n\nChoices:\n{options}"


def user_message(question: Question, prompt: str = "") -> str:
    """The user's turn: ``prompt + context + target_prompt``, without separators; or as the data have it.

    Args:
        question: decides the layout by its format, unless it says how it was asked.
        prompt: text before the question, for example worked examples.
    """
    return prompt + (context(question) + TARGET_PROMPT if question.asked is None else question.asked)


def chat_messages(question: Question, prompt: str = "", system_role: SystemRole = "system") -> list[dict[str, str]]:
    """The conversation before the answer, as a chat template takes it.

    Args:
        question: decides system prompt and layout by its format.
        prompt: text before the question in the user's turn.
        system_role: for templates without a system role, "omit" leaves the system prompt out (what the
            released code does for Gemma) and "prepend" puts it before the user's text and a blank line.

    Raises:
        ValueError: `system_role` is none of these.
    """
    if system_role not in get_args(SystemRole):
        raise ValueError(f"Expected `system_role` to be system, omit or prepend, but got {system_role!r}.")
    system, user = SYSTEM_PROMPTS[question.format], user_message(question, prompt)
    if system_role == "system":
        return [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return [{"role": "user", "content": f"{system}\n\n{user}" if system_role == "prepend" else user}]
