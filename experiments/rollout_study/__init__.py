"""Measurements on traces with rollouts, for `docs/decisiveness.md` and `docs/results/faithful_sensitivity.md`."""
