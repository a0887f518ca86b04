"""A convolution of images with few channels, batch normalization, ReLU, 2x2 max-pooling and dropout in one pass.

The moments of a convolution's output follow from those of the values that its windows see: with their mean m and their
covariance C, a channel with the weights w has the mean w m and the variance w C w. So nothing of the output's size is
written, and the gradients that come through the moments are products of small matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.kernels.convolved_pool import Windows, pooled_windows, summed_gradients
from handson.kernels.normalized_pool import scaling
from handson.kernels.pooled_relu import ONE, ZERO, Drop
from handson.kernels.threads import over_rows
from handson.kernels.vectors import LANES, choose_equal, compiled, load, store


@compiled
def window_products(planes, sums, products, points, across, shape, inside):
    """For each image the sums over its windows of the values they see, and, below the diagonal, of their products.

    A vector has the values of windows beside each other; `inside` says which of a row's last vector exist.
    """
    totals = np.empty((len(points), LANES), np.float32)
    found = np.empty((len(points), len(points), LANES), np.float32)
    for n in range(len(sums)):
        totals[:] = found[:] = np.float32(0)
        for i in range(shape[0]):
            for j in range(0, shape[1], LANES):
                start = i * across + j
                for k in range(len(points)):
                    seen = choose_equal(load(inside, (j,)), ONE, load(planes, (n, start + points[k])), ZERO)
                    store(totals, (k, 0), load(totals, (k, 0)) + seen)
                    line = found[k]
                    for m in range(k + 1):
                        store(line, (m, 0), load(line, (m, 0)) + seen * load(planes, (n, start + points[m])))
        for k in range(len(points)):
            for lane in range(LANES):
                sums[n, k] += np.float64(totals[k, lane])
                for m in range(k + 1):
                    products[n, k, m] += np.float64(found[k, m, lane])


def window_moments(x: np.ndarray, window: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The means of the values that windows of images (n, h, w, c) see, and their covariances, in double precision."""
    images, height, width, channels = x.shape
    planes = np.zeros((images, x[0].size + LANES), np.float32)  # so many more as are read after the last window
    planes[:, : x[0].size].reshape(images, channels, height, width)[:] = x.transpose(0, 3, 1, 2)
    down, along = (np.arange(size) for size in window)
    points = (down[:, None, None] * width + along[:, None] + np.arange(channels) * height * width).ravel()
    shape = height - window[0] + 1, width - window[1] + 1
    inside = (np.arange(shape[1] + -shape[1] % LANES) < shape[1]).astype(np.float32)
    sums, products = np.zeros((images, len(points))), np.zeros((images, len(points), len(points)))
    over_rows(window_products, (planes, sums, products), points, width, shape, inside)
    count = images * shape[0] * shape[1]
    mean, lower = sums.sum(0) / count, products.sum(0) / count
    return mean, lower + np.tril(lower, -1).T - np.outer(mean, mean)


class NormalizedConvolution(torch.autograd.Function):
    """`dropout(max_pool2d(relu(batch_norm(convolution)), 2))` in training, of images nobody asks the gradient of."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Tensor,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
        x: Tensor,
        epsilon: float,
        drop: Drop | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (n, h // 2, w // 2, channels) of padded images x, the means and the variances.

        The convolution is that of the images less their mean: its own mean goes away in the normalization, and the
        moments are exact also where it is much larger than the deviations.
        """
        height, width, _, channels = kernel.shape
        centre = x.numpy().mean((0, 1, 2))
        x = x - torch.from_numpy(centre)
        windows = Windows.of(x, (height, width))
        flat = kernel.detach().reshape(-1, channels).double().numpy()
        means, covariances = window_moments(x.numpy(), (height, width))
        seen = covariances @ flat
        middle, variance = means @ flat, np.maximum((flat * seen).sum(0), 0.0)
        inverse, factor, shift = scaling(variance, epsilon, gamma, beta)
        given = middle.astype(np.float32), factor, shift
        y, *ctx.found = pooled_windows(windows, kernel, drop, *given)
        ctx.windows, ctx.shape, ctx.inverse, ctx.factor = windows, kernel.shape, inverse, factor
        ctx.moments = means, seen, flat, middle
        offset = np.tile(centre.astype(float), height * width) @ flat
        mean = middle + offset + (0.0 if bias is None else bias.detach().numpy())
        moments = torch.from_numpy(mean).float(), torch.from_numpy(variance).float()
        ctx.mark_non_differentiable(*moments)
        return y, *moments

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the kernel, the bias (the normalization takes its effect away: 0), gamma and beta."""
        means, seen, flat, middle = ctx.moments
        d_kernel, d_beta = summed_gradients(ctx.windows, gradients[0], *ctx.found)
        d_gamma = ((flat * d_kernel).sum(0) - middle * d_beta) * ctx.inverse
        d_kernel = ctx.factor * (d_kernel - np.outer(means, d_beta) - seen * (d_gamma * ctx.inverse))
        found = d_kernel.reshape(ctx.shape), np.zeros(len(d_beta)), d_gamma, d_beta
        wanted = zip(found, ctx.needs_input_grad, strict=False)
        return *(torch.from_numpy(values).float() if needed else None for values, needed in wanted), None, None, None
