"""The choice of a probe's recipe on training questions."""
