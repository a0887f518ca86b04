"""`theano.sandbox.rng_mrg`."""

from handson.theano.randomness import MRG_RandomStreams

__all__ = ["MRG_RandomStreams"]
