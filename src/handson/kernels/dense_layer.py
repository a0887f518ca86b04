"""A dense layer in compiled kernels: what it puts out, and the gradients of its weights and of its inputs.

All matrices are float32 without gaps. `room` and `turned` are scratch memory: see `handson.kernels.products`. A layer
with one output, as most regressions end in, has products of its own: as a matrix, its column would fill one lane of
each vector.
"""

from __future__ import annotations

import numba
import numpy as np

from handson.kernels.products import OPTIONS, is_small, make_product, transpose
from handson.kernels.views import as_vector, matrix_at

ZERO = np.float32(0)
# Nothing is allocated here either. Sums over the values of a row are vectors only in another order.
compiled = numba.njit(**OPTIONS | {"fastmath": {"contract", "reassoc"}})


@compiled
def dense_outputs(x, kernel, bias, y, room):
    """y = x @ kernel + bias, which may be empty."""
    if not is_small(x.shape[0], x.shape[1], kernel.shape[1]):
        _multiply_large(x, kernel, y)
        for i in range(y.shape[0]):
            for j in range(len(bias)):
                y[i, j] += bias[j]
        return
    if kernel.shape[1] == 1:
        _dot_rows(x, as_vector(kernel), as_vector(y))
        for i in range(y.shape[0] if len(bias) else 0):
            y[i, 0] += bias[0]
        return
    if len(bias):
        make_product(y, bias, x, kernel, room)
    else:
        make_product(y, None, x, kernel, room)


@compiled
def dense_gradients(x, gradient, d_kernel, d_bias, room):
    """The gradients of kernel and bias, from the inputs and the gradient of the outputs."""
    if not is_small(x.shape[1], x.shape[0], gradient.shape[1]):
        _multiply_large(x.T, gradient, d_kernel)
    elif gradient.shape[1] == 1:
        _sum_rows(x, as_vector(gradient), as_vector(d_kernel))
    else:
        make_product(d_kernel, None, x.T, gradient, room)
    for j in range(len(d_bias)):
        d_bias[j] = 0
    for i in range(gradient.shape[0]):
        for j in range(len(d_bias)):
            d_bias[j] += gradient[i, j]


@compiled
def input_gradients(kernel, gradient, below, room, turned):
    """below = gradient @ kernel.T, the gradient of the inputs."""
    if not is_small(gradient.shape[0], gradient.shape[1], kernel.shape[0]):
        _multiply_large(gradient, kernel.T, below)
    elif kernel.shape[1] == 1:
        _outer(as_vector(gradient), as_vector(kernel), below)
    else:
        across = matrix_at(turned, 0, kernel.shape[1], kernel.shape[0])
        transpose(kernel, across)
        make_product(below, None, gradient, across, room)


@numba.njit(**OPTIONS | {"_nrt": True})
def _multiply_large(left, right, y):
    """y = left @ right."""
    np.dot(left, right, y)


@compiled
def _dot_rows(x, column, y):
    """y = x @ column."""
    for i in range(x.shape[0]):
        total = ZERO
        for j in range(x.shape[1]):
            total += x[i, j] * column[j]
        y[i] = total


@compiled
def _sum_rows(x, column, y):
    """y = x.T @ column."""
    for j in range(len(y)):
        y[j] = 0
    for i in range(x.shape[0]):
        factor = column[i]
        for j in range(len(y)):
            y[j] += x[i, j] * factor


@compiled
def _outer(column, row, y):
    """The products of each value of a column with each of a row."""
    for i in range(len(column)):
        factor = column[i]
        for j in range(len(row)):
            y[i, j] = factor * row[j]
