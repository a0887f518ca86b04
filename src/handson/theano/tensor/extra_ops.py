"""`theano.tensor.extra_ops`."""

from handson.theano.tensor.products import to_one_hot
from handson.theano.tensor.reductions import cumprod, cumsum
from handson.theano.tensor.shaping import diff, repeat, squeeze

__all__ = ["cumprod", "cumsum", "diff", "repeat", "squeeze", "to_one_hot"]
