"""Settings of the faithful system."""
