"""The functions of `handson/kernels/c/elementary.h`, over arrays."""

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record

NAMES = [
    "exponential",
    "exponential_less_one",
    "sigmoid",
    "tanh",
    "logarithm",
    "logarithm_of_one_more",
    "normal_probability",
    "two_sigmoids",
    "sigmoid_and_tanh",
    "smaller",
    "equal",
    "winner",
]


class _Elementary(Record):
    which: "Int"
    x: "Pointer"
    y: "Pointer"
    first: "Pointer"
    second: "Pointer"


class _Parts(Record):
    x: "Pointer"
    y: "Pointer"
    bytes_from: "Pointer"
    bytes_to: "Pointer"
    count: "Int"


_elementary, _some_more = Kernel("elementary", _Elementary), Kernel("some_more", _Parts)


def both(name, x, y):
    """The two results of a function of two arguments, arrays of float32."""
    first, second = np.empty_like(x), np.empty_like(x)
    _elementary(_Elementary(which=NAMES.index(name), x=x, y=y, first=first, second=second), 0, len(x))
    return first, second


def one(name, x, y=None):
    """The result of a function of arrays of float32."""
    return both(name, x, x if y is None else y)[0]


def some_more(x, y, bytes_from, bytes_to, count):
    """Write one more than the first values, so many, of float32 and of uint8."""
    _some_more(_Parts(x=x, y=y, bytes_from=bytes_from, bytes_to=bytes_to, count=count))
