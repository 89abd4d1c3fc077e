"""The stages of an experiment, each a Lightning module that fills one artifact."""
