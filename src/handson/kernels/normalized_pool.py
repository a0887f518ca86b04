"""Batch normalization, ReLU, 2x2 max-pooling and dropout in two passes over the data, and two on the way back.

The plain expression, `dropout(max_pool2d(relu(batch_norm(x)), 2))`, also writes and reads the normalized array and its
gradient, which are four times as large as what leaves the pooling. Sums are taken image by image, so that the numbers
do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from handson.kernels.pooled_relu import Drop, pooled
from handson.kernels.threads import over_rows


@numba.njit(cache=True, nogil=True)
def image_moments(x, means, squares):
    """The mean of each channel of each image, and the sum of squared deviations from it."""
    images, height, width, channels = x.shape
    row = np.empty(channels, np.float32)
    centre = np.empty(channels, np.float32)
    for n in range(images):
        means[n] = squares[n] = 0.0
        for i in range(height):
            row[:] = np.float32(0)
            for j in range(width):
                for c in range(channels):
                    row[c] += x[n, i, j, c]
            for c in range(channels):
                means[n, c] += row[c]
        for c in range(channels):
            means[n, c] /= height * width
            centre[c] = means[n, c]
        for i in range(height):
            row[:] = np.float32(0)
            for j in range(width):
                for c in range(channels):
                    row[c] += (x[n, i, j, c] - centre[c]) * (x[n, i, j, c] - centre[c])
            for c in range(channels):
                squares[n, c] += row[c]


@numba.njit(cache=True, nogil=True)
def image_sums(gradient, winners, x, sums, products, centre, scale):
    """The sum of the gradients that reach the normalized values of each image, and of each times its deviation."""
    images, height, width, channels = gradient.shape
    zero = np.float32(0)
    row, other = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for n in range(images):
        sums[n] = products[n] = 0.0
        for i in range(height):
            row[:] = other[:] = zero
            for j in range(width):
                for c in range(channels):
                    row[c] += gradient[n, i, j, c] * scale if winners[n, i, j, c] < 4 else zero
                for corner in range(4):
                    inputs = x[n, 2 * i + corner // 2, 2 * j + corner % 2]
                    for c in range(channels):
                        value = gradient[n, i, j, c] * scale if winners[n, i, j, c] == corner else zero
                        other[c] += value * (inputs[c] - centre[c])
            for c in range(channels):
                sums[n, c] += row[c]
                products[n, c] += other[c]


@numba.njit(cache=True, nogil=True)
def spread(gradient, winners, x, below, factor, constant, slope):
    """The gradient of the inputs: that of the winners, and what the moments of the batch give to every value."""
    zero = np.float32(0)
    images, height, width, channels = gradient.shape
    for n in range(images):
        for i in range(height):
            for j in range(width):
                for corner in range(4):  # outermost, so that the loop over channels is vectorized
                    inputs = x[n, 2 * i + corner // 2, 2 * j + corner % 2]
                    outputs = below[n, 2 * i + corner // 2, 2 * j + corner % 2]
                    for c in range(channels):
                        won = gradient[n, i, j, c] * factor[c] if winners[n, i, j, c] == corner else zero
                        outputs[c] = won + (constant[c] + slope[c] * inputs[c])
        for i in range(x.shape[1]):
            for j in range(2 * width if i < 2 * height else 0, x.shape[2]):
                for c in range(channels):
                    below[n, i, j, c] = constant[c] + slope[c] * x[n, i, j, c]


def moments(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the variance of each channel of images (n, h, w, c), in double precision."""
    means, squares = np.empty((2, x.shape[0], x.shape[3]))
    over_rows(image_moments, (x.numpy(), means, squares))
    mean = means.mean(0)
    count = x.shape[1] * x.shape[2]
    return mean, (squares.sum(0) + count * np.square(means - mean).sum(0)) / (count * len(x))


def scaling(
    variance: np.ndarray, epsilon: float, gamma: Tensor | None, beta: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 / sqrt(variance + epsilon); and in single precision what deviations are multiplied with, and what is added."""
    inverse = 1.0 / np.sqrt(variance + epsilon)
    factor = inverse if gamma is None else inverse * gamma.detach().numpy()
    shift = np.zeros(len(variance), np.float32) if beta is None else beta.detach().numpy()
    return inverse, factor.astype(np.float32), shift


class NormalizedPooledRelu(torch.autograd.Function):
    """`dropout(max_pool2d(relu(batch_norm(x)), 2))` in training, of images (n, h, w, c), float32 on a CPU."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float, drop: Drop | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs of shape (n, h // 2, w // 2, c), the means and the variances."""
        x = x.detach().contiguous()
        mean, variance = moments(x)
        inverse, factor, shift = scaling(variance, epsilon, gamma, beta)
        centre = mean.astype(np.float32)
        y, ctx.winners, ctx.scale = pooled(x, drop, centre, factor, shift)
        ctx.x, ctx.centre, ctx.factor, ctx.inverse = x, centre, factor, inverse
        ctx.learned = gamma is not None, beta is not None
        found = torch.from_numpy(centre), torch.from_numpy(variance.astype(np.float32))
        ctx.mark_non_differentiable(*found)
        return y, *found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs, of gamma and of beta."""
        x, gradient, winners = ctx.x.numpy(), gradients[0].contiguous().numpy(), ctx.winners.numpy()
        sums, products = np.empty((2, len(x), x.shape[3]))
        over_rows(image_sums, (gradient, winners, x, sums, products), ctx.centre, ctx.scale)
        d_beta, d_gamma = sums.sum(0), products.sum(0) * ctx.inverse
        count = x.size // x.shape[3]
        slope = -ctx.factor * d_gamma * ctx.inverse / count
        constant = -ctx.factor * d_beta / count - slope * ctx.centre
        below = torch.empty(ctx.x.shape)
        lines = constant.astype(np.float32), slope.astype(np.float32)
        over_rows(spread, (gradient, winners, x, below.numpy()), ctx.factor * ctx.scale, *lines)
        learned = (
            torch.from_numpy(values.astype(np.float32)) if wanted else None
            for values, wanted in zip((d_gamma, d_beta), ctx.learned, strict=True)
        )
        return below, *learned, None, None
