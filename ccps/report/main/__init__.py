"""The report of an experiment, a file for each section."""
