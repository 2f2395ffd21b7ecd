"""The stack of one machine: its processes, their supervisor, Dagster's home, the doctor."""
