"""The report of a sweep, a file for each section."""
