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

from handson.kernels.convolved_pool import Padding, Windows, in_single, pooled_windows, summed_gradients
from handson.kernels.library import Int, Kernel, Pointer, Record
from handson.kernels.normalized_pool import scaling
from handson.kernels.pooled_relu import Drop, Lines
from handson.kernels.threads import over_rows

# The images that say what is taken off all of them: anything near their mean does.
_MOST_LOOKED_AT = 8


class _WindowProducts(Record):
    planes: Pointer
    plane: Int
    across: Int
    points: Pointer
    places: Pointer
    window: Int
    count: Int
    down: Int
    along: Int
    sums: Pointer
    products: Pointer


_window_products = Kernel("window_products", _WindowProducts)


def window_moments(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """The means of the values that windows see, and their covariances, in double precision."""
    images, points, (down, along) = len(windows.planes), len(windows.points), windows.shape
    sums, products = np.zeros((images, points)), np.zeros((images, points, points))
    record = _WindowProducts(**windows.fields(), down=down, along=along, sums=sums, products=products)
    over_rows(_window_products, record, images, work=windows.planes.size * points)
    count = images * down * along
    mean, lower = sums.sum(0) / count, products.sum(0) / count
    return mean, lower + np.tril(lower, -1).T - np.outer(mean, mean)


class NormalizedConvolution(torch.autograd.Function):
    """`dropout(max_pool2d(relu(batch_norm(convolution)), 2))` in training, of images whose gradient is not needed."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Tensor,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
        x: Tensor,
        padding: Padding,
        epsilon: float,
        drop: Drop | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (n, h // 2, w // 2, channels) of images x, the means and the variances.

        The convolution is that of the images less about their mean: its own mean goes away in the normalization, and
        the moments are exact also where it is much larger than the deviations.
        """
        height, width, _, channels = kernel.shape
        centre = x.detach().numpy()[:: -(-len(x) // _MOST_LOOKED_AT)].mean((0, 1, 2))
        windows = Windows.of(x, (height, width), padding, centre)
        flat = kernel.detach().reshape(-1, channels).double().numpy()
        means, covariances = window_moments(windows)
        seen = covariances @ flat
        middle, mean = means @ flat, (means.reshape(-1, len(centre)) + centre).ravel() @ flat
        variance = np.maximum((flat * seen).sum(0), 0.0)
        inverse, factor, shift = scaling(variance, epsilon, gamma, beta)
        given = Lines(middle.astype(np.float32), factor, shift)
        y, *ctx.found = pooled_windows(windows, kernel, drop, given)
        ctx.windows, ctx.shape, ctx.inverse, ctx.factor = windows, kernel.shape, inverse, factor
        ctx.moments = means, seen, flat, middle
        mean += 0.0 if bias is None else bias.detach().numpy()
        moments = in_single(mean), in_single(variance)
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
        return *(in_single(values) if needed else None for values, needed in wanted), None, None, None, None
