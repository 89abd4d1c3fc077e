"""How long a stage takes, how much memory and disk it wants: from counts of operations and bytes, before it is run."""
