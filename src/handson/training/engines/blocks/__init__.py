"""Compiled kernels in place of some parts of a net, found by rules over its graph."""
