"""The report of faithfulness, a file for each section."""
