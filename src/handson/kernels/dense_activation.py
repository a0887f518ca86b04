"""The activations of the program of a dense net, and the way back through them.

The formulas are those of `handson.activations`. NaN passes through as it does in PyTorch: comparisons are written so
that it is never taken for 0.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from handson.kernels.elementary import (
    exponential,
    exponential_less_one,
    logarithm_of_one_more,
    normal_probability,
    sigmoid,
    tanh,
)
from handson.kernels.products import OPTIONS
from handson.kernels.vectors import LANES, choose_smaller, load_part, store_part
from handson.kernels.views import as_vector

# In the order of `ACTIVATIONS` in `handson.training.engines.dense.program`.
(LINEAR, RELU, LEAKY_RELU, ELU, SELU, RELU6, HARD_SIGMOID, TANH, SIGMOID, SOFTSIGN, EXPONENTIAL, SOFTMAX, SOFTPLUS,
 SILU, GELU) = range(15)  # fmt: skip
# From here on the way back needs what went in, so that these do not work in place.
FIRST_OF_INPUTS = SILU

ZERO, ONE, THREE, SIX = np.float32(0), np.float32(1), np.float32(3), np.float32(6)
SLOPE, SIXTH = np.float32(0.2), np.float32(1 / 6)
SELU_ALPHA, SELU_SCALE = np.float32(1.6732632423543772), np.float32(1.0507009873554805)
MINUS_ONE, MINUS_HALF, DENSITY = np.float32(-1), np.float32(-0.5), np.float32(0.3989422804014327)

# The slope at an output y, for piecewise functions: a + b y where y is not positive, else c, but 0 from d on.
# For the others up to EXPONENTIAL: (a + b |y|) (c + d |y|).
SLOPES = np.zeros((EXPONENTIAL + 1, 4), np.float32)
SLOPES[LEAKY_RELU] = SLOPE, 0, 1, np.inf
SLOPES[ELU] = 1, 1, 1, np.inf
SLOPES[SELU] = SELU_SCALE * SELU_ALPHA, 1, SELU_SCALE, np.inf
SLOPES[RELU6] = 0, 0, 1, SIX
SLOPES[HARD_SIGMOID] = 0, 0, SIXTH, 1
SLOPES[TANH] = 1, -1, 1, 1
SLOPES[SIGMOID] = 0, 1, 1, -1
SLOPES[SOFTSIGN] = 1, -1, 1, -1
SLOPES[EXPONENTIAL] = 0, 1, 1, 0

compiled = numba.njit(**OPTIONS)


@compiled
def activate(kind, inputs, outputs):
    """Apply an activation to a matrix; the outputs may be in the place of the inputs.

    Where they may be, the compiler makes no vectors of a plain loop.
    """
    if kind == SOFTMAX:
        for i in range(len(inputs)):
            _softmax(inputs[i], outputs[i])
        return
    x, y = as_vector(inputs), as_vector(outputs)
    size = len(x)
    if kind == RELU:
        for k in range(0, size, LANES):
            value = load_part(x, (k,), size - k)
            store_part(y, (k,), choose_smaller(value, ZERO, ZERO, value), size - k)
    elif kind == EXPONENTIAL:
        for k in range(size):
            y[k] = math.exp(x[k])
    elif kind in (LEAKY_RELU, RELU6, HARD_SIGMOID, SOFTSIGN):
        for k in range(0, size, LANES):
            store_part(y, (k,), _piece(kind, load_part(x, (k,), size - k)), size - k)
    else:
        _activate_elementary(kind, x, y)


@compiled
def _piece(kind, x):
    """An activation without elementary functions, of a vector."""
    above, below = choose_smaller(x, ZERO, ZERO, x), choose_smaller(x, ZERO, x, ZERO)
    if kind == LEAKY_RELU:
        return above + below * SLOPE
    if kind == RELU6:
        return choose_smaller(SIX, above, SIX, above)
    if kind == SOFTSIGN:
        return x / (ONE + (above - below))
    share = (x + THREE) * SIXTH
    share = choose_smaller(ONE, share, ONE, share)
    return choose_smaller(share, ZERO, ZERO, share)


@compiled
def _activate_elementary(kind, x, y):
    """The activations with elementary functions: a loop for each, which computes several vectors at a time."""
    size = len(x)
    if kind == TANH:
        for k in range(0, size, LANES):
            store_part(y, (k,), tanh(load_part(x, (k,), size - k)), size - k)
    elif kind == SIGMOID:
        for k in range(0, size, LANES):
            store_part(y, (k,), sigmoid(load_part(x, (k,), size - k)), size - k)
    elif kind == SOFTPLUS:
        for k in range(0, size, LANES):
            value = load_part(x, (k,), size - k)
            above, below = choose_smaller(value, ZERO, ZERO, value), choose_smaller(value, ZERO, value, ZERO)
            store_part(y, (k,), above + logarithm_of_one_more(exponential(below - above)), size - k)
    elif kind == SILU:
        for k in range(0, size, LANES):
            value = load_part(x, (k,), size - k)
            store_part(y, (k,), value * sigmoid(value), size - k)
    elif kind == GELU:
        for k in range(0, size, LANES):
            value = load_part(x, (k,), size - k)
            store_part(y, (k,), value * normal_probability(value), size - k)
    else:
        scale, alpha = (SELU_SCALE, SELU_ALPHA) if kind == SELU else (ONE, ONE)
        for k in range(0, size, LANES):
            value = load_part(x, (k,), size - k)
            below = alpha * exponential_less_one(choose_smaller(ZERO, value, ZERO, value))
            store_part(y, (k,), scale * choose_smaller(ZERO, value, value, below), size - k)


@compiled
def _softmax(x, y):
    """Exponentials of a row over their sum."""
    columns = len(x)
    largest, total = x[0], ZERO
    for j in range(columns):
        largest = max(largest, x[j])
    for j in range(0, columns, LANES):
        store_part(y, (j,), exponential(load_part(x, (j,), columns - j) - largest), columns - j)
    for j in range(columns):
        total += y[j]
    for j in range(columns):
        y[j] /= total


@compiled
def deactivate(kind, inputs, outputs, gradients):
    """From the gradients of an activation's outputs to those of its inputs, in place."""
    if kind == SOFTMAX:
        for i in range(len(outputs)):
            _desoftmax(outputs[i], gradients[i])
        return
    y, gradient = as_vector(outputs), as_vector(gradients)
    if kind == RELU:
        for k in range(len(y)):
            gradient[k] = ZERO if y[k] <= ZERO else gradient[k]
    elif LEAKY_RELU <= kind <= HARD_SIGMOID:
        start, rise, middle, top = SLOPES[kind]
        for k in range(len(y)):
            gradient[k] *= start + rise * y[k] if y[k] <= ZERO else ZERO if y[k] >= top else middle
    elif TANH <= kind <= EXPONENTIAL:
        first, rise, second, other_rise = SLOPES[kind]
        for k in range(len(y)):
            size = abs(y[k])
            gradient[k] *= (first + rise * size) * (second + other_rise * size)
    elif kind == SOFTPLUS:
        for k in range(0, len(y), LANES):
            slope = MINUS_ONE * exponential_less_one(MINUS_ONE * load_part(y, (k,), len(y) - k))
            store_part(gradient, (k,), load_part(gradient, (k,), len(y) - k) * slope, len(y) - k)
    else:
        _deactivate_inputs(kind, as_vector(inputs), gradient)


@compiled
def _deactivate_inputs(kind, x, gradient):
    """The way back through the activations that need their inputs for it."""
    size = len(x)
    for k in range(0, size, LANES):
        value, above = load_part(x, (k,), size - k), load_part(gradient, (k,), size - k)
        if kind == SILU:
            share = sigmoid(value)
            slope = share + value * (share * (ONE - share))
        else:
            slope = normal_probability(value) + value * (DENSITY * exponential(MINUS_HALF * (value * value)))
        store_part(gradient, (k,), above * slope, size - k)


@compiled
def _desoftmax(y, gradient):
    inner = ZERO
    for j in range(len(y)):
        inner += gradient[j] * y[j]
    for j in range(len(y)):
        gradient[j] = y[j] * (gradient[j] - inner)
