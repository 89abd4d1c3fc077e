"""What `python -m experiments.bench` measures, and the page it writes."""
