"""Text in, questions and labels out."""

from ccps.data.benchmarks import BenchmarkSpec, Loaded, load_questions, read_questions
from ccps.data.prompts import chat_messages, user_message
from ccps.data.records import Question, asked_hash, questions_hash
from ccps.data.sampling import deduplicate, sample

__all__ = [
    "BenchmarkSpec",
    "Loaded",
    "Question",
    "asked_hash",
    "chat_messages",
    "deduplicate",
    "load_questions",
    "questions_hash",
    "read_questions",
    "sample",
    "user_message",
]
