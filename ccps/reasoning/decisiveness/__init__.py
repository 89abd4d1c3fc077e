"""How decisive the words of steps are: one file for each way to tell."""
