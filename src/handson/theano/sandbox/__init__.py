"""`theano.sandbox`: random numbers."""

from handson.theano.sandbox import rng_mrg

__all__ = ["rng_mrg"]
