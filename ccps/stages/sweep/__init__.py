"""The stages of a sweep of perturbation strength."""
