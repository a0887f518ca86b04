"""Batch normalization, ReLU, 2x2 max-pooling and dropout in two passes over the data, and two in the backward pass.

The plain expression, `dropout(max_pool2d(relu(batch_norm(x)), 2))`, also writes and reads the normalized array and its
gradient, which are four times as large as what leaves the pooling. Sums are taken image by image, so that the numbers
do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.kernels.library import Int, Kernel, Pointer, Real, Record
from handson.kernels.pooled_relu import Drop, Lines, outputs_for, pool_into
from handson.kernels.threads import over_rows


class _Moments(Record):
    x: Pointer
    means: Pointer
    squares: Pointer
    height: Int
    width: Int
    channels: Int


class _Sums(Record):
    gradient: Pointer
    winners: Pointer
    x: Pointer
    height: Int
    width: Int
    channels: Int
    sums: Pointer
    products: Pointer
    centre: Pointer
    scale: Real


class _Spread(Record):
    gradient: Pointer
    winners: Pointer
    x: Pointer
    below: Pointer
    height: Int
    width: Int
    channels: Int
    factor: Pointer
    constant: Pointer
    slope: Pointer


_image_moments, _image_sums = Kernel("image_moments", _Moments), Kernel("image_sums", _Sums)
_spread_gradients = Kernel("spread_gradients", _Spread)


def _sizes(x: Tensor) -> dict[str, int]:
    """The sizes of images (n, h, w, c) for a record."""
    return dict(zip(("height", "width", "channels"), x.shape[1:], strict=True))


def moments(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the variance of each channel of images (n, h, w, c), in double precision."""
    means, squares = np.zeros((2, x.shape[0], x.shape[3]))
    over_rows(_image_moments, _Moments(x=x, means=means, squares=squares, **_sizes(x)), len(x), work=x.numel())
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
        y, ctx.winners = outputs_for(len(x), x)
        ctx.scale = pool_into(y, ctx.winners, x, drop, Lines(centre, factor, shift))
        ctx.x, ctx.centre, ctx.factor, ctx.inverse = x, centre, factor, inverse
        ctx.learned = gamma is not None, beta is not None
        found = torch.from_numpy(centre), torch.from_numpy(variance.astype(np.float32))
        ctx.mark_non_differentiable(*found)
        return y, *found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs, of gamma and of beta."""
        x, gradient = ctx.x, gradients[0].contiguous()
        given = {"gradient": gradient, "winners": ctx.winners, "x": x, **_sizes(x)}
        sums, products = np.zeros((2, len(x), x.shape[3]))
        record = _Sums(**given, sums=sums, products=products, centre=ctx.centre, scale=ctx.scale)
        over_rows(_image_sums, record, len(x), work=gradient.numel())
        d_beta, d_gamma = sums.sum(0), products.sum(0) * ctx.inverse
        count = x.numel() // x.shape[3]
        slope = -ctx.factor * d_gamma * ctx.inverse / count
        constant = -ctx.factor * d_beta / count - slope * ctx.centre
        below, lines = torch.empty(x.shape), (ctx.factor * ctx.scale, constant, slope)
        names = zip(("factor", "constant", "slope"), lines, strict=True)
        spread = _Spread(**given, below=below, **{name: line.astype(np.float32) for name, line in names})
        over_rows(_spread_gradients, spread, len(x), work=gradient.numel())
        learned = (
            torch.from_numpy(values.astype(np.float32)) if wanted else None
            for values, wanted in zip((d_gamma, d_beta), ctx.learned, strict=True)
        )
        return below, *learned, None, None
