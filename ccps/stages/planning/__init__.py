"""What a job would do, stage by stage, and how long that takes: its pipeline is laid out as for a run, and not run."""
