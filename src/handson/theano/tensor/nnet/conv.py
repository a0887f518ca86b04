"""`theano.tensor.nnet.conv`: the older convolution, as the LeNet tutorial has it."""

from __future__ import annotations

from typing import Any

from handson.theano.tensor.nnet.convolutions import conv2d as _conv2d
from handson.theano.variable import Variable


def conv2d(
    input: Any, filters: Any, image_shape: Any = None, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1),
) -> Variable:  # fmt: skip
    """`conv2d` with the older order of its arguments."""
    return _conv2d(input, filters, image_shape, filter_shape, border_mode, subsample)
