"""handson beside the libraries that its users come from, on the same jobs, in turn."""
