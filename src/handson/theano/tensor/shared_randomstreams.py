"""`theano.tensor.shared_randomstreams`."""

from handson.theano.randomness import RandomStreams

__all__ = ["RandomStreams"]
