"""To and from other people's tools, one file each. None of them is imported before its function is called."""
