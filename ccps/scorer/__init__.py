"""A calibrated confidence with each answer of a language model of one's own."""

from ccps.scorer.questions import one_question as _question  # noqa: F401 - how one question is read, for programs
from ccps.scorer.records import Confidence, Decision, Moved, Reply, Token
from ccps.scorer.scorer import ConfidenceScorer
from ccps.scorer.summary import Summary

__all__ = ["Confidence", "ConfidenceScorer", "Decision", "Moved", "Reply", "Summary", "Token"]
