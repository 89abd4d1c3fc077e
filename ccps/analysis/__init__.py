"""From artifacts to numbers: resamples, averages, differences, verdict, ledger."""
