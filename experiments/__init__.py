"""Entry points: `python -m experiments.reproduce` and its siblings."""
