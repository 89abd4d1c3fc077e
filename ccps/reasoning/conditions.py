"""The hedges that prompt conditions speak of, with their probabilities."""

from types import MappingProxyType

PHRASES = MappingProxyType(
    {
        "almost certain": 0.920,
        "highly likely": 0.871,
        "very good chance": 0.805,
        "we believe": 0.751,
        "likely": 0.709,
        "probably": 0.687,
        "probable": 0.676,
        "better than even": 0.581,
        "about even": 0.507,
        "probably not": 0.247,
        "we doubt": 0.224,
        "unlikely": 0.212,
        "improbable": 0.168,
        "chances are slight": 0.144,
        "little chance": 0.129,
        "highly unlikely": 0.108,
        "almost no chance": 0.065,
    }
)
"""Hedges and the mean probability that 123 people hear in each (survey of Fagen-Ulmschneider)."""


def filled(text: str) -> str:
    """A text of a prompt condition with the hedges in the place of `{phrases}`, a line each."""
    phrases = "\n".join(f"- {phrase}: {mean:.2f}" for phrase, mean in PHRASES.items())
    return text.replace("{phrases}", phrases).strip()
