"""Tasks: an experiment and its overrides become run folders, which any number of processes and machines train."""
