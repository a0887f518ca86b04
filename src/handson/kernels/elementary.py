"""Elementary functions of vectors, accurate to about two units in the last place.

`math.exp` and `math.tanh` are calls of a library, one value after another; these are plain arithmetic. The
polynomials of exp and log are those of the Cephes library (Moshier, 1992).
"""

from __future__ import annotations

from numpy import float32

from handson.kernels.vectors import choose_smaller, compiled, exponent_of, fraction_of, power_of_two

_ONE, _TWO = float32(1), float32(2)
_ROOT_HALF, _ROOT_TWO = float32(0.7071067811865476), float32(1.4142135623730951)
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
def exponential(x):
    """exp(x) for x up to 87.3; the smallest normal number for those below -87.3."""
    p, q = _exponential(x, float32(87.3))
    return q + p * q


@compiled
def exponential_less_one(x):
    """exp(x) - 1 for x up to 87.3, without loss of digits near 0."""
    p, q = _exponential(x, float32(87.3))
    return p * q + (q - _ONE)


@compiled
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    p, q = _exponential(x * -_ONE, float32(87.3))
    return _ONE / (_ONE + (q + p * q))


@compiled
def sigmoid_fraction(x):
    """A numerator and a denominator of the sigmoid of x; 0 where it is below 2e-19."""
    p, q = _exponential(x * -_ONE, float32(43))
    return choose_smaller(x, float32(-43), float32(0), _ONE), _ONE + (q + p * q)


@compiled
def tanh_fraction(x):
    """A numerator and a denominator of the hyperbolic tangent of x: see `tanh`."""
    p, q = _exponential(x + x, float32(18))
    less = p * q + (q - _ONE)
    return less, less + _TWO


@compiled
def tanh(x):
    """The hyperbolic tangent: (exp(2 x) - 1) / (exp(2 x) + 1), without loss of digits near 0."""
    above, below = tanh_fraction(x)
    return above / below


@compiled
def divided(a, b):
    """The values of two fractions, with one division: a processor makes four products in the time of one of these.

    The product of the denominators must be finite.
    """
    inverse = _ONE / (a[1] * b[1])
    return a[0] * b[1] * inverse, b[0] * a[1] * inverse


@compiled
def logarithm_of_one_more(x):
    """log(1 + x) for x from 0 to 1: twice the inverse hyperbolic tangent of x / (2 + x), by its series."""
    s = x / (x + _TWO)
    z = s * s
    p = z * float32(1 / 17) + float32(1 / 15)
    p = p * z + float32(1 / 13)
    p = p * z + float32(1 / 11)
    p = p * z + float32(1 / 9)
    p = p * z + float32(1 / 7)
    p = p * z + float32(1 / 5)
    p = p * z + float32(1 / 3)
    return (s + s) * (p * z) + (s + s)


@compiled
def logarithm(x):
    """log(x) for x from the smallest normal number to the largest.

    x is a fraction between the roots of 1/2 and of 2 times a power of two.
    """
    fraction, power = fraction_of(x), exponent_of(x)
    power = choose_smaller(_ROOT_TWO, fraction, power + _ONE, power)
    r = choose_smaller(_ROOT_TWO, fraction, fraction * float32(0.5), fraction) - _ONE
    z = r * r
    p = r * float32(7.0376836292e-2) + float32(-1.1514610310e-1)
    p = p * r + float32(1.1676998740e-1)
    p = p * r + float32(-1.2420140846e-1)
    p = p * r + float32(1.4249322787e-1)
    p = p * r + float32(-1.6668057665e-1)
    p = p * r + float32(2.0000714765e-1)
    p = p * r + float32(-2.4999993993e-1)
    p = p * r + float32(3.3333331174e-1)
    p = (p * r) * z + power * _LN2_LOW - z * float32(0.5)
    # The last term is 0, but for NaN, which the bits above do not keep.
    return (r + p) + power * _LN2_HIGH + (x - x)


@compiled
def normal_probability(x):
    """The share of the standard normal distribution below x.

    From a fit of the complementary error function whose relative error is at most 1.2e-7 (Press et al., Numerical
    Recipes, 2nd edition, 1992, section 6.2).
    """
    z = choose_smaller(x, float32(0), x * -_ONE, x) * _ROOT_HALF
    t = _TWO / (z + _TWO)
    p = t * float32(0.17087277) + float32(-0.82215223)
    p = p * t + float32(1.48851587)
    p = p * t + float32(-1.13520398)
    p = p * t + float32(0.27886807)
    p = p * t + float32(-0.18628806)
    p = p * t + float32(0.09678418)
    p = p * t + float32(0.37409196)
    p = p * t + float32(1.00002368)
    p = p * t + float32(-1.26551223)
    beyond = t * exponential(p - z * z) * float32(0.5)
    return choose_smaller(x, float32(0), beyond, _ONE - beyond)
