"""One file for each library: how its users make a net, train it, and predict."""
