"""Whether a continuation agrees with the step in whose place it stands: one file for each way to tell.

All give an inconsistency, 0 where a continuation bears the step out and 1 where it does not. They mean different things
by that: see each.
"""
