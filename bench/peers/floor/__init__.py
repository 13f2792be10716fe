"""The floor of accepting a call: its two inserts through the ORM, and nothing else."""
