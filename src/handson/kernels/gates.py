"""Sigmoid and tanh of vectors, accurate to about two units in the last place.

`math.exp` and `math.tanh` are calls of a library, one value after another; these are plain arithmetic. The
polynomial is that of the Cephes library (Moshier, 1992).
"""

from __future__ import annotations

from numpy import float32

from handson.kernels.vectors import choose_smaller, compiled, power_of_two

_ONE, _TWO = float32(1), float32(2)
_LOG2_E = float32(1.4426950408889634)
# ln 2 in two parts, the first with few digits, so that a whole number times it is exact.
_LN2_HIGH, _LN2_LOW = float32(0.693359375), float32(-2.12194440e-4)
# To add it rounds to a whole number: see `power_of_two`.
_SHIFT = float32(12582912.0)


@compiled
def _exponential(x, largest):
    """p and q with exp(x) = q + p q, q a power of two and p small; x is brought between -largest and largest before."""
    x = choose_smaller(x, -largest, -largest, x)
    x = choose_smaller(largest, x, largest, x)
    shifted = x * _LOG2_E + _SHIFT
    whole = shifted - _SHIFT
    r = x - whole * _LN2_HIGH - whole * _LN2_LOW
    p = r * float32(1.9875691500e-4) + float32(1.3981999507e-3)
    p = p * r + float32(8.3334519073e-3)
    p = p * r + float32(4.1665795894e-2)
    p = p * r + float32(1.6666665459e-1)
    p = p * r + float32(5.0000001201e-1)
    return p * (r * r) + r, power_of_two(shifted)


@compiled
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    p, q = _exponential(x * -_ONE, float32(87.3))
    return _ONE / (_ONE + (q + p * q))


@compiled
def tanh(x):
    """The hyperbolic tangent: (exp(2 x) - 1) / (exp(2 x) + 1), without loss of digits near 0."""
    p, q = _exponential(x + x, float32(18))
    less = p * q + (q - _ONE)
    return less / (less + _TWO)
