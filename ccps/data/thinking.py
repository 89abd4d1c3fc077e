"""The marks between which a reasoning model thinks, as chat templates write them and traces hold them."""

OPEN, CLOSE = "<think>", "</think>"
