"""Where tasks run: in processes on this machine, or as an array of jobs on a Slurm cluster."""
