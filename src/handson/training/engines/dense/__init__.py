"""The compiled program for small nets: one call of compiled code for many steps."""

# They register what the program runs.
from handson.training.engines.dense import formulas, lowerings

__all__ = ["formulas", "lowerings"]
