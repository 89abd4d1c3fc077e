"""The stages of the faithful system: traces, what is read off them, how they are judged, and the report."""
