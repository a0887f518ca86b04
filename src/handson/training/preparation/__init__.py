"""From the arguments of a verb to a job: arguments, rows, the contract between data, net and loss."""
