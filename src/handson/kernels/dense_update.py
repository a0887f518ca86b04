"""What the program of a dense net does with the gradients of a step: penalties, bounds, the optimizer, the average.

The formulas are those of `handson.regularizers` and `handson.optimizers`, on flat arrays. NaN passes through as it does
in PyTorch.
"""

from __future__ import annotations

import math

import numpy as np

from handson.kernels.dense_layer import compiled

(PLAIN_SGD, MOMENTUM_SGD, NESTEROV_SGD, RMSPROP, MOMENTUM_RMSPROP, CENTERED_RMSPROP, CENTERED_MOMENTUM_RMSPROP, ADAM,
 AMSGRAD, ADAGRAD, ADADELTA, NONE) = range(12)  # fmt: skip
UNBOUNDED, BY_VALUE, BY_NORM, BY_GLOBAL_NORM = range(4)

ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
# Keeps a norm from zero, as in `handson.optimizers`.
TINY = np.float32(1e-12)


@compiled
def apply_gradients(
    weights, gradients, slots, penalized, factors, clipping, bound, ends, optimizer, rate, momentum, decay, share,
    first, second, epsilon,
):  # fmt: skip
    """One step, from the gradients of the loss to new weights; returns the sum of the penalties.

    The weights that are trained come first, and end at `ends`. The last of the slots is their moving average.
    """
    penalty = _add_penalties(penalized, factors, weights, gradients)
    trained, changes = weights[: ends[-1]], gradients[: ends[-1]]
    _bound_gradients(clipping, bound, ends, changes)
    if decay != ONE:
        for k in range(len(trained)):
            trained[k] *= decay
    _update(optimizer, trained, changes, slots, rate, momentum, first, second, epsilon)
    if share != ZERO:
        _move_average(slots[-1], trained, share)
    return penalty


@compiled
def _add_penalties(places, factors, weights, gradients):
    """Add the gradients of penalties; `places` are where weights begin and end, `factors` those of L1 and L2.

    Returns the sum of the penalties.
    """
    total = 0.0
    for p in range(len(places)):
        first, last = places[p, 0], places[p, 1]
        total += _add_penalty(weights[first:last], gradients[first:last], factors[p, 0], factors[p, 1])
    return total


@compiled
def _add_penalty(weights, gradients, l1, l2):
    sizes, squares = ZERO, ZERO
    for k in range(len(weights)):
        sizes += abs(weights[k])
        squares += weights[k] * weights[k]
    if l2 != ZERO:
        for k in range(len(weights)):
            gradients[k] += TWO * l2 * weights[k]
    if l1 != ZERO:
        for k in range(len(weights)):
            gradients[k] += l1 if weights[k] > ZERO else -l1 if weights[k] < ZERO else ZERO
    return l1 * sizes + l2 * squares


@compiled
def _bound_gradients(kind, bound, ends, gradients):
    """Clip values, the norm of each weight's gradient, or that of all together; weights end at `ends`."""
    if kind == BY_VALUE:
        for k in range(len(gradients)):
            gradients[k] = bound if gradients[k] > bound else -bound if gradients[k] < -bound else gradients[k]
    elif kind == BY_NORM:
        first = 0
        for last in ends:
            _shorten(gradients[first:last], bound)
            first = last
    elif kind == BY_GLOBAL_NORM:
        _shorten(gradients, bound)


@compiled
def _shorten(values, bound):
    """Scale values whose norm is greater than the bound."""
    squares = ZERO
    for k in range(len(values)):
        squares += values[k] * values[k]
    factor = bound / (math.sqrt(squares) + TINY)
    if not factor > ONE:
        for k in range(len(values)):
            values[k] *= factor


@compiled
def _update(kind, weights, gradients, slots, rate, momentum, first, second, epsilon):
    """One step of an optimizer; `rate` of Adam has its bias corrections in it."""
    a, b, c = slots[0], slots[1], slots[2]
    if kind == PLAIN_SGD:
        for k in range(len(weights)):
            weights[k] -= rate * gradients[k]
    elif kind == MOMENTUM_SGD:
        for k in range(len(weights)):
            a[k] = momentum * a[k] - rate * gradients[k]
            weights[k] += a[k]
    elif kind == NESTEROV_SGD:
        for k in range(len(weights)):
            a[k] = momentum * a[k] - rate * gradients[k]
            weights[k] += momentum * a[k] - rate * gradients[k]
    elif kind == RMSPROP:
        for k in range(len(weights)):
            a[k] = first * a[k] + (ONE - first) * gradients[k] * gradients[k]
            weights[k] -= rate * gradients[k] / math.sqrt(a[k] + epsilon)
    elif MOMENTUM_RMSPROP <= kind <= CENTERED_MOMENTUM_RMSPROP:
        _other_rmsprop(kind, weights, gradients, a, b, c, rate, momentum, first, epsilon)
    elif kind == ADAM:
        for k in range(len(weights)):
            a[k] += (ONE - first) * (gradients[k] - a[k])
            b[k] = second * b[k] + (ONE - second) * gradients[k] * gradients[k]
            weights[k] -= rate * a[k] / (math.sqrt(b[k]) + epsilon)
    elif kind == AMSGRAD:
        for k in range(len(weights)):
            a[k] += (ONE - first) * (gradients[k] - a[k])
            b[k] = second * b[k] + (ONE - second) * gradients[k] * gradients[k]
            c[k] = c[k] if c[k] > b[k] else b[k]
            weights[k] -= rate * a[k] / (math.sqrt(c[k]) + epsilon)
    elif kind == ADAGRAD:
        for k in range(len(weights)):
            a[k] += gradients[k] * gradients[k]
            weights[k] -= rate * gradients[k] / math.sqrt(a[k] + epsilon)
    elif kind == ADADELTA:
        for k in range(len(weights)):
            a[k] = first * a[k] + (ONE - first) * gradients[k] * gradients[k]
            step = math.sqrt((b[k] + epsilon) / (a[k] + epsilon)) * gradients[k]
            b[k] = first * b[k] + (ONE - first) * step * step
            weights[k] -= rate * step


@compiled
def _other_rmsprop(kind, weights, gradients, velocities, b, c, rate, momentum, rho, epsilon):
    """RMSprop with momentum, centered, or both; the slots after the first are those that there are, in this order."""
    moves, centered = kind != CENTERED_RMSPROP, kind != MOMENTUM_RMSPROP
    means = c if moves else b
    for k in range(len(weights)):
        velocities[k] = rho * velocities[k] + (ONE - rho) * gradients[k] * gradients[k]
        divisor = velocities[k]
        if centered:
            means[k] += (ONE - rho) * (gradients[k] - means[k])
            divisor -= means[k] * means[k]
        step = rate * gradients[k] / math.sqrt(divisor + epsilon)
        if moves:
            step += momentum * b[k]
            b[k] = step
        weights[k] -= step


@compiled
def _move_average(averages, weights, share):
    """The moving average of the weights; a share of 1 makes it their copy."""
    for k in range(len(weights)):
        averages[k] = weights[k] if share == ONE else averages[k] + share * (weights[k] - averages[k])
