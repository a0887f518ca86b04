"""Sigmoid and tanh of vectors, accurate to about two units in the last place.

`math.exp` and `math.tanh` are calls of a library, one value after another; these are plain arithmetic. The polynomials are
those of the Cephes library (Moshier, 1992).
"""

from __future__ import annotations

from numpy import float32

from handson.kernels.vectors import choose, compiled, power_of_two

_ZERO, _ONE, _TWO = float32(0), float32(1), float32(2)
_LOG2_E, _LARGEST = float32(1.4426950408889634), float32(87.3)
# ln 2 in two parts, the first with few digits, so that a whole number times it is exact.
_LN2_HIGH, _LN2_LOW = float32(0.693359375), float32(-2.12194440e-4)
# To add it rounds to a whole number: see `power_of_two`.
_SHIFT = float32(12582912.0)


@compiled
def _exp(x):
    """The exponential function between -87.3 and 87.3, and the value there beyond; of NaN it is NaN."""
    x = choose(x, -_LARGEST, -_LARGEST, x)
    x = choose(_LARGEST, x, _LARGEST, x)
    shifted = x * _LOG2_E + _SHIFT
    whole = shifted - _SHIFT
    r = x - whole * _LN2_HIGH - whole * _LN2_LOW
    p = r * float32(1.9875691500e-4) + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    return (p * (r * r) + r + _ONE) * power_of_two(shifted)


@compiled
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return _ONE / (_ONE + _exp(_ZERO - x))


@compiled
def tanh(x):
    """The hyperbolic tangent."""
    size = choose(x, _ZERO, _ZERO - x, x)
    large = _ONE - _TWO / (_exp(size + size) + _ONE)
    square = x * x
    p = square * float32(-5.70498872745e-3) + float32(2.06390887954e-2)
    p = p * square + float32(-5.37397155531e-2)
    p = p * square + float32(1.33314422036e-1)
    p = p * square + float32(-3.33332819422e-1)
    small = p * square * x + x
    return choose(size, float32(0.625), small, choose(x, _ZERO, _ZERO - large, large))
