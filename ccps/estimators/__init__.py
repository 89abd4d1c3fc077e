"""How confident the model is at each step of a trace: one file for each way of telling, with all it needs."""
