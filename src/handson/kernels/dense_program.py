"""Training steps of a stack of dense layers as one compiled program, without Python between them.

A program is a list of operations, each a row of integers (`KIND`, sizes and offsets into flat arrays). Per step it
gathers a batch, runs forward, loss, backward and optimizer, and leaves the step's loss behind. It must equal
`handson.training.engines.eager` within rounding; the formulas are those of the layers, losses and optimizers.
NaN passes through as it does in PyTorch: comparisons are written so that it is never taken for 0.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from handson.kernels.dense_activation import activate, deactivate
from handson.kernels.dense_layer import compiled, dense_gradients, dense_outputs, input_gradients
from handson.kernels.dense_loss import batch_loss
from handson.kernels.dense_update import NONE, apply_gradients
from handson.kernels.keyed_dropout import element_word, row_words
from handson.kernels.vectors import LANES, load_part, store_part
from handson.kernels.views import matrix_at

MATMUL, ACTIVATION, DROPOUT, BATCH_NORMALIZATION, SCALING = range(5)

# Columns of an operation: the kind; the sizes of a sample before and after; and what the kind needs.
#   MATMUL: offsets of kernel and bias (-1: none), and whether any of them is trained. ACTIVATION: which.
#   DROPOUT: its number.
#   BATCH_NORMALIZATION: offsets of gamma and beta (-1: none), of its moments, and its number. SCALING, which is what it
#   does in evaluation mode: the same.
KIND, BEFORE, AFTER, FIRST, SECOND, THIRD, NUMBER, COLUMNS = range(8)

ZERO, ONE = np.float32(0), np.float32(1)

# Where references are not counted, a function that returns a view is put into those that call it.
_view = numba.njit(inline="always", _nrt=False)


@compiled
def _draw_mask(key, rows, threshold, mask):
    """Which elements of the samples of a batch are kept."""
    for i in range(mask.shape[0]):
        first, second = row_words(key, rows[i])
        for j in range(mask.shape[1]):
            mask[i, j] = element_word(first, second, j) >= threshold


@compiled
def _normalize(x, y, gamma, beta, epsilon, momentum, moving, moments):
    """Batch normalization; `moments` gets mean and 1 / standard deviation, `moving` is moved."""
    rows, columns = x.shape
    mean, inverse = moments[0], moments[1]
    for j in range(columns):
        mean[j] = inverse[j] = ZERO
    for i in range(rows):
        for j in range(columns):
            mean[j] += x[i, j]
    for j in range(columns):
        mean[j] /= np.float32(rows)
    for i in range(rows):
        for j in range(columns):
            inverse[j] += (x[i, j] - mean[j]) * (x[i, j] - mean[j])
    for j in range(columns):
        variance = inverse[j] / np.float32(rows)
        moving[0, j] = momentum * moving[0, j] + (ONE - momentum) * mean[j]
        moving[1, j] = momentum * moving[1, j] + (ONE - momentum) * variance
        inverse[j] = ONE / math.sqrt(variance + epsilon)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = (x[i, j] - mean[j]) * inverse[j] * (gamma[j] if len(gamma) else ONE) + (
                beta[j] if len(beta) else ZERO
            )


@compiled
def _scale(x, y, gamma, beta, epsilon, moving):
    """Batch normalization in evaluation mode."""
    for j in range(x.shape[1]):
        factor = (gamma[j] if len(gamma) else ONE) / math.sqrt(moving[1, j] + epsilon)
        for i in range(x.shape[0]):
            y[i, j] = (x[i, j] - moving[0, j]) * factor + (beta[j] if len(beta) else ZERO)


@compiled
def _unnormalize(x, gradient, below, gamma, d_gamma, d_beta, moments, sums):
    """The backward pass of `_normalize`: gradients of gamma and beta, and of the input into `below`."""
    rows, columns = x.shape
    mean, inverse, of_gradient, of_product = moments[0], moments[1], sums[0], sums[1]
    for j in range(columns):
        of_gradient[j] = of_product[j] = ZERO
    for i in range(rows):
        for j in range(columns):
            of_gradient[j] += gradient[i, j]
            of_product[j] += gradient[i, j] * (x[i, j] - mean[j]) * inverse[j]
    for j in range(len(d_gamma)):
        d_gamma[j] = of_product[j]
    for j in range(len(d_beta)):
        d_beta[j] = of_gradient[j]
    share = ONE / np.float32(rows)
    for i in range(rows):
        for j in range(columns):
            centred = (x[i, j] - mean[j]) * inverse[j]
            factor = (gamma[j] if len(gamma) else ONE) * inverse[j]
            below[i, j] = factor * (gradient[i, j] - share * (of_gradient[j] + centred * of_product[j]))


@_view
def _part(flat, offset, size):
    return flat[max(offset, 0) : max(offset, 0) + (size if offset >= 0 else 0)]


@compiled
def forward(
    operations, size, weights, rows, keys, thresholds, scales, masks, constants, moving, moments, arena, places, room
):
    """All operations on the batch at the start of the arena; the place of the last output is `places[-1]`."""
    for o in range(len(operations)):
        before, after = operations[o, BEFORE], operations[o, AFTER]
        x, y = matrix_at(arena, places[o], size, before), matrix_at(arena, places[o + 1], size, after)
        kind = operations[o, KIND]
        if kind == MATMUL:
            bias = _part(weights, operations[o, SECOND], after)
            dense_outputs(x, matrix_at(weights, operations[o, FIRST], before, after), bias, y, room)
        elif kind == ACTIVATION:
            activate(operations[o, FIRST], x, y)
        elif kind == DROPOUT:
            number = operations[o, NUMBER]
            mask = matrix_at(masks, places[o + 1], size, after)
            _draw_mask(keys[number], rows, thresholds[number], mask)
            for i in range(size):
                for j in range(after):
                    y[i, j] = x[i, j] * (scales[number] if mask[i, j] else ZERO)
        else:
            number, third = operations[o, NUMBER], operations[o, THIRD]
            gamma, beta = _part(weights, operations[o, FIRST], after), _part(weights, operations[o, SECOND], after)
            epsilon, momentum, moved = constants[number, 0], constants[number, 1], moving[:, third : third + after]
            if kind == SCALING:
                _scale(x, y, gamma, beta, epsilon, moved)
                continue
            _normalize(x, y, gamma, beta, epsilon, momentum, moved, moments[:, third : third + after])


@compiled
def backward(
    operations, lowest, size, weights, gradients, scales, masks, moments, sums, arena, places, upper, lower, room,
    turned,
):  # fmt: skip
    """From the gradient of the output, in `upper`, to those of all weights from the operation `lowest` on."""
    for o in range(len(operations) - 1, lowest - 1, -1):
        before, after = operations[o, BEFORE], operations[o, AFTER]
        x, y = matrix_at(arena, places[o], size, before), matrix_at(arena, places[o + 1], size, after)
        gradient, below = matrix_at(upper, 0, size, after), matrix_at(lower, 0, size, before)
        kind = operations[o, KIND]
        if kind == ACTIVATION:
            deactivate(operations[o, FIRST], x, y, gradient)
            continue
        if kind == MATMUL:
            place, d_bias = operations[o, FIRST], _part(gradients, operations[o, SECOND], after)
            if operations[o, THIRD]:
                dense_gradients(x, gradient, matrix_at(gradients, place, before, after), d_bias, room)
            if o > lowest:
                input_gradients(matrix_at(weights, place, before, after), gradient, below, room, turned)
        elif kind == DROPOUT:
            mask, scale = matrix_at(masks, places[o + 1], size, after), scales[operations[o, NUMBER]]
            for i in range(size):
                for j in range(after):
                    below[i, j] = gradient[i, j] * (scale if mask[i, j] else ZERO)
        else:
            third = operations[o, THIRD]
            _unnormalize(
                x, gradient, below, _part(weights, operations[o, FIRST], after),
                _part(gradients, operations[o, FIRST], after), _part(gradients, operations[o, SECOND], after),
                moments[:, third : third + after], sums,
            )  # fmt: skip
        upper, lower = lower, upper


@compiled
def train(
    inputs, targets, sample_weights, order, batch_size, steps, operations, lowest, places, weights, gradients, slots,
    moving, moments, sums, keys, thresholds, scales, masks, constants, arena, upper, lower, loss, delta, penalized,
    factors, clipping, bound, ends, optimizer, rates, momenta, decays, shares, first, second, epsilon, totals, counts,
    outputs, compared, room, turned,
):  # fmt: skip
    """Train on the rows of `order`, which are those of one or several epochs, one after another.

    Every epoch has as many rows as the others, and as many `steps`, each of which takes `batch_size` of its rows; the
    last may be smaller. Each has a row of `keys`. The losses of the steps go into `totals` and `counts`.

    Where the optimizer is NONE, nothing is trained, but losses and outputs are those of the weights as they are.
    """
    columns = inputs.shape[1]
    width = operations[-1, AFTER]
    length = len(order) // (len(totals) // steps)
    for step in range(len(totals)):
        epoch = step // steps
        place = epoch * length + (step - epoch * steps) * batch_size
        rows = order[place : min(place + batch_size, (epoch + 1) * length)]
        size = len(rows)
        batch = matrix_at(arena, places[0], size, columns)
        for i in range(size):
            for j in range(0, columns, LANES):
                store_part(batch, (i, j), load_part(inputs, (rows[i], j), columns - j), columns - j)
        forward(
            operations, size, weights, rows, keys[epoch], thresholds, scales, masks, constants, moving, moments, arena,
            places, room,
        )  # fmt: skip
        output = matrix_at(arena, places[-1], size, width)
        for i in range(size if len(outputs) else 0):
            for j in range(width):
                outputs[place + i, j] = output[i, j]
        totals[step], counts[step] = batch_loss(
            loss, delta, output, targets, sample_weights, rows, matrix_at(upper, 0, size, width), compared
        )
        if optimizer == NONE:
            continue
        backward(
            operations, lowest, size, weights, gradients, scales, masks, moments, sums, arena, places, upper, lower,
            room, turned,
        )  # fmt: skip
        totals[step] += counts[step] * apply_gradients(
            weights, gradients, slots, penalized, factors, clipping, bound, ends, optimizer, rates[step], momenta[step],
            decays[step], shares[step], first, second, epsilon,
        )  # fmt: skip


@compiled
def segment_sums(values, present, batch_size, totals, counts):
    """Sums of the values of each step that are present, in double precision and in order."""
    for step in range(len(totals)):
        total, count = 0.0, 0
        for i in range(step * batch_size, min((step + 1) * batch_size, len(values))):
            for j in range(values.shape[1]):
                if present[i, j]:
                    total += values[i, j]
                    count += 1
        totals[step], counts[step] = total, count
