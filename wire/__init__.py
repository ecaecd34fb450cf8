"""The messages between processes, and nothing else."""
