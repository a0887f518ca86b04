"""Compiled CPU kernels, each beside the plain expression that it must equal in the tests."""
