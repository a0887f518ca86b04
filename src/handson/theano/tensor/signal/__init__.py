"""`theano.tensor.signal`: pooling."""

from handson.theano.tensor.signal import downsample, pool

__all__ = ["downsample", "pool"]
