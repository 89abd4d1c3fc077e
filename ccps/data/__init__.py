"""Text in, questions and labels out."""

from ccps.data.benchmarks import BenchmarkSpec, load_questions, read_questions
from ccps.data.grading import grade, is_option_letter
from ccps.data.prompts import chat_messages, user_message
from ccps.data.records import Question, questions_from_table, questions_hash, questions_to_table
from ccps.data.sampling import deduplicate, sample

__all__ = [
    "BenchmarkSpec",
    "Question",
    "chat_messages",
    "deduplicate",
    "grade",
    "is_option_letter",
    "load_questions",
    "questions_from_table",
    "questions_hash",
    "questions_to_table",
    "read_questions",
    "sample",
    "user_message",
]
