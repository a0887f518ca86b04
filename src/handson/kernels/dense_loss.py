"""The losses of the program of a dense net, and their gradients.

The formulas are those of `handson.losses`. Missing targets are NaN. A NaN of the net passes through as it does in
PyTorch: comparisons are written so that it is never taken for 0.
"""

from __future__ import annotations

import math

import numpy as np

from handson.kernels.dense_layer import compiled
from handson.kernels.elementary import exponential, logarithm, logarithm_of_one_more, sigmoid
from handson.kernels.vectors import LANES, choose_smaller, first_lanes, load_part, store_part, sum_of
from handson.kernels.views import as_vector, matrix_at

MSE, MAE, HUBER, BINARY, BINARY_LOGITS, CATEGORICAL, CATEGORICAL_LOGITS = range(7)

EPSILON = np.float32(1e-7)
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
MOST = ONE - EPSILON


@compiled
def batch_loss(kind, delta, output, targets, weights, rows, gradient, room):
    """The summed loss of a batch and how many values are in it; the gradient of the sum over the count.

    `room` is float32 of shape (2, at least as many values as `output` has).
    """
    size, columns = output.shape
    wanted, values = matrix_at(room[0], 0, size, columns), matrix_at(room[1], 0, size, columns)
    for i in range(size):
        for j in range(columns):
            wanted[i, j] = targets[rows[i], j]
    if kind >= CATEGORICAL:
        _categorical(kind, output, wanted, values, gradient)
    else:
        _elementwise(kind, delta, as_vector(output), as_vector(wanted), as_vector(values), as_vector(gradient))
    for i in range(size if len(weights) else 0):
        for j in range(columns):
            values[i, j] *= weights[rows[i]]
            gradient[i, j] *= weights[rows[i]]
    slopes = as_vector(gradient)
    if kind >= CATEGORICAL:
        total, count = _sum_samples(wanted, values, gradient)
    else:
        total, count = _sum_values(as_vector(wanted), as_vector(values), slopes)
    scale = ONE / np.float32(max(count, 1))
    for k in range(len(slopes)):
        slopes[k] *= scale
    return total, count


@compiled
def _sum_values(wanted, values, slopes):
    """The sum of the values that have a target, and how many; the slopes of the others become 0."""
    total, count = 0.0, 0
    for k in range(len(wanted)):
        missing = wanted[k] != wanted[k]
        total += 0.0 if missing else np.float64(values[k])
        slopes[k] = ZERO if missing else slopes[k]
        count += not missing
    return total, count


@compiled
def _sum_samples(wanted, values, gradient):
    """As `_sum_values`, for samples: a sample is there unless any of its targets is NaN."""
    total, count = 0.0, 0
    for i in range(len(wanted)):
        of_targets, of_values = ZERO, 0.0
        for j in range(wanted.shape[1]):
            of_targets += wanted[i, j]
            of_values += values[i, j]
        if of_targets == of_targets:
            total += of_values
            count += 1
            continue
        for j in range(wanted.shape[1]):
            gradient[i, j] = ZERO
    return total, count


@compiled
def _elementwise(kind, delta, output, wanted, values, slopes):
    """The loss of each value, and its slope."""
    if kind == MSE:
        for k in range(len(output)):
            error = output[k] - wanted[k]
            values[k], slopes[k] = error * error, TWO * error
    elif kind == MAE:
        for k in range(len(output)):
            error = output[k] - wanted[k]
            values[k], slopes[k] = abs(error), ONE if error > ZERO else -ONE if error < ZERO else error
    elif kind == HUBER:
        for k in range(len(output)):
            error = output[k] - wanted[k]
            slope = delta if error > delta else -delta if error < -delta else error
            values[k], slopes[k] = slope * (error - HALF * slope), slope
    elif kind == BINARY_LOGITS:
        _binary_logits(output, wanted, values, slopes)
    else:
        _binary(output, wanted, values, slopes)


@compiled
def _binary_logits(output, wanted, values, slopes):
    size = len(output)
    for k in range(0, size, LANES):
        x, target = load_part(output, (k,), size - k), load_part(wanted, (k,), size - k)
        above, below = choose_smaller(x, ZERO, ZERO, x), choose_smaller(x, ZERO, x, ZERO)
        value = above - x * target + logarithm_of_one_more(exponential(below - above))
        store_part(values, (k,), value, size - k)
        store_part(slopes, (k,), sigmoid(x) - target, size - k)


@compiled
def _binary(output, wanted, values, slopes):
    size = len(output)
    for k in range(0, size, LANES):
        x, target = load_part(output, (k,), size - k), load_part(wanted, (k,), size - k)
        inside = _clipped(x)
        outside = ONE - inside
        value = ZERO - (target * logarithm(inside) + (ONE - target) * logarithm(outside))
        slope = (inside - target) / (inside * outside)
        slope = choose_smaller(x, EPSILON, ZERO, slope)
        store_part(values, (k,), value, size - k)
        store_part(slopes, (k,), choose_smaller(MOST, x, ZERO, slope), size - k)


@compiled
def _categorical(kind, output, wanted, values, gradient):
    """Cross-entropy of samples and distributions of targets, in parts for each output, and its gradient."""
    columns = output.shape[1]
    for i in range(len(output)):
        if kind == CATEGORICAL_LOGITS:
            _of_logits(columns, output[i], wanted[i], values[i], gradient[i])
        else:
            _of_probabilities(columns, output[i], wanted[i], values[i], gradient[i])


@compiled
def _of_logits(columns, output, wanted, values, gradient):
    """One sample."""
    largest, total, share = output[0], ZERO, ZERO
    for j in range(columns):
        largest = max(largest, output[j])
    for j in range(0, columns, LANES):
        power = first_lanes(exponential(load_part(output, (j,), columns - j) - largest), columns - j)
        total += sum_of(power)
        share += sum_of(load_part(wanted, (j,), columns - j))
        store_part(gradient, (j,), power, columns - j)
    normal, factor = largest + math.log(total), share / total
    for j in range(0, columns, LANES):
        rest = columns - j
        target, x, power = load_part(wanted, (j,), rest), load_part(output, (j,), rest), load_part(gradient, (j,), rest)
        store_part(values, (j,), target * (normal - x), rest)
        store_part(gradient, (j,), factor * power - target, rest)


@compiled
def _of_probabilities(columns, output, wanted, values, gradient):
    """One sample, whose outputs are brought to a sum of 1."""
    total, inner = ZERO, ZERO
    for j in range(0, columns, LANES):
        total += sum_of(load_part(output, (j,), columns - j))
    for j in range(0, columns, LANES):
        share = load_part(output, (j,), columns - j) / total
        inner += sum_of(_sloping(share, load_part(wanted, (j,), columns - j)))
    for j in range(0, columns, LANES):
        rest = columns - j
        share, target = load_part(output, (j,), rest) / total, load_part(wanted, (j,), rest)
        inside = _clipped(share)
        store_part(values, (j,), ZERO - target * logarithm(inside), rest)
        store_part(gradient, (j,), (inner - _sloping(share, target) / inside) / total, rest)


@compiled
def _clipped(share):
    share = choose_smaller(share, EPSILON, EPSILON, share)
    return choose_smaller(MOST, share, MOST, share)


@compiled
def _sloping(share, target):
    """The targets of shares within the bounds: outside there is no slope."""
    return choose_smaller(share, EPSILON, ZERO, choose_smaller(MOST, share, ZERO, target))
