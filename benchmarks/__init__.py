"""What handson costs, measured: programs to run, and the results of their last run."""
