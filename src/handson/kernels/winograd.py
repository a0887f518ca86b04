"""Convolutions with windows of 3x3 in fewer multiplications: 16 instead of 36 for two by two outputs.

Two by two outputs are made together. Of the inputs that they see, and of the kernel, sums and differences are taken;
their products, place by place, are summed over the channels; sums and differences of these are the outputs. The
gradient of the kernel is found in the same way, with the sums and differences transposed, and that of the inputs is a
convolution too.

References
----------
S. Winograd, Arithmetic Complexity of Computations, SIAM 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional
Neural Networks, CVPR 2016.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handson.kernels.convolved_pool import Padding, outputs_of
from handson.kernels.library import Int, Kernel, Pointer, Record, lanes
from handson.kernels.pooled_convolution import groups_of
from handson.kernels.threads import over_rows

# The windows' side, and what their rows and columns are multiplied with: along one axis outputs =
# OUTPUTS @ ((_KERNEL @ kernel) * (INPUTS @ inputs)), with INPUTS and OUTPUTS in winograd.c.
_SIZE, _KERNEL = 3, ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
# The places of a square of inputs, and that where what is added is added to all outputs.
_PLACES, _MIDDLE = 16, 5

# What is worked on at once should be close at hand: so many values, but neither too few tiles nor too many.
_VALUES, _FEWEST_TILES, _MOST_TILES = 1 << 16, 16, 64
# Where it pays: with so many channels at least, and at most so many outputs made for one that is wanted; and with
# vectors of 16 lanes, of which a processor holds 32. Of shorter ones it holds 16: a square fills them, and nothing is
# gained.
_FEWEST_CHANNELS, _MOST_OUTPUTS_MADE, _FEWEST_LANES = 32, 1.25, 16
# The gradients of a kernel are summed in so many groups of tiles at most.
_MOST_GROUPS = 16


class _Convolve(Record):
    starts: Pointer
    across: Int
    per_image: Int
    number: Int
    at_once: Int
    y: Pointer
    y_height: Int
    y_width: Int
    y_channels: Int
    x: Pointer
    x_height: Int
    x_width: Int
    x_channels: Int
    weights: Pointer
    begins: Pointer
    top: Int
    left: Int


class _Sum(Record):
    starts: Pointer
    across: Int
    per_image: Int
    number: Int
    at_once: Int
    group: Int
    gradient: Pointer
    gradient_height: Int
    gradient_width: Int
    gradient_channels: Int
    x: Pointer
    x_height: Int
    x_width: Int
    x_channels: Int
    sums: Pointer
    biases: Pointer
    top: Int
    left: Int


_convolve_tiles, sum_gradients = Kernel("convolve_tiles", _Convolve), Kernel("sum_gradients", _Sum)


def _images(name: str, values: Tensor) -> dict[str, Any]:
    """Images (n, h, w, c) for a record."""
    height, width, channels = values.shape[1:]
    return {name: values, f"{name}_height": height, f"{name}_width": width, f"{name}_channels": channels}


@lru_cache
def _turned_kernel() -> Tensor:
    """What the values of a window are multiplied with, (places, 9)."""
    matrix = torch.tensor(_KERNEL, dtype=torch.float32)
    return torch.kron(matrix, matrix)


class Tiles(NamedTuple):
    """How the outputs of a convolution are divided into squares of 2x2.

    Attributes
    ----------
    across, per_image, number : int
        How many there are across an image, in an image, and in all.
    at_once : int
        How many are worked on together.
    """

    across: int
    per_image: int
    number: int
    at_once: int

    @staticmethod
    def of(outputs: tuple[int, ...], kernel: tuple[int, ...]) -> Tiles:
        """Tiles of outputs (n, h, w, channels) of a kernel (3, 3, inputs, channels)."""
        images, height, width, channels = outputs
        across, per_image = -(-width // 2), -(-height // 2) * -(-width // 2)
        at_once = _VALUES // (_PLACES * (kernel[2] + channels))
        return Tiles(across, per_image, images * per_image, max(_FEWEST_TILES, min(_MOST_TILES, at_once)))


def pays(x: tuple[int, ...], kernel: tuple[int, ...], padding: Padding) -> bool:
    """Whether a convolution of images (n, h, w, inputs) is faster here than in PyTorch; the channels fill vectors.

    Examples
    --------
    >>> pays((64, 14, 14, 32), (5, 5, 32, 64), ((1, 1), (1, 1)))
    False
    """
    if kernel[:2] != (_SIZE, _SIZE) or lanes() < _FEWEST_LANES:
        return False
    outputs, (inputs, channels) = outputs_of(x, kernel, padding), kernel[2:]
    count = Tiles.of(outputs, kernel).number
    full = 4 * count <= _MOST_OUTPUTS_MADE * prod(outputs[:3])
    vectors = min(inputs, channels) >= _FEWEST_CHANNELS and inputs % lanes() == channels % lanes() == 0
    return vectors and full and count >= 2 * max(inputs, channels)


class Winograd:
    """A convolution with a kernel (3, 3, inputs, channels), without gradients.

    Parameters
    ----------
    kernel : Tensor
        The weights, of whole vectors of inputs and of channels.
    bias : Tensor or None
        What is added to the outputs.
    padding : ((int, int), (int, int))
        The rows of zeros above and below images, and the columns left and right of them.

    Examples
    --------
    >>> twice = Winograd(2 * torch.eye(16).expand(3, 3, 16, 16), None, ((0, 0), (0, 0)))
    >>> twice(torch.ones(1, 3, 3, 16))[0, 0, 0, :3]
    tensor([18., 18., 18.])
    """

    def __init__(self, kernel: Tensor, bias: Tensor | None, padding: Padding) -> None:
        self.shape, self.padding, (_, _, inputs, channels) = kernel.shape, padding, kernel.shape
        weights = torch.mm(_turned_kernel(), kernel.detach().reshape(_SIZE**2, -1))
        self.weights, self.begins = weights.view(-1, inputs, channels), torch.zeros(_PLACES, channels)
        if bias is not None:
            self.begins[_MIDDLE] = bias.detach()

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (n, h', w', channels) of images x (n, h, w, inputs)."""
        y = torch.empty(outputs_of(x.shape, self.shape, self.padding))
        tiles = Tiles.of(y.shape, self.shape)
        starts = np.arange(0, tiles.number, tiles.at_once)
        record = _Convolve(
            starts=starts, **tiles._asdict(), **_images("y", y), **_images("x", x.detach().contiguous()),
            weights=self.weights, begins=self.begins, **_corner(self.padding),
        )  # fmt: skip
        over_rows(_convolve_tiles, record, len(starts), work=y.numel() * _PLACES)
        return y


def _corner(padding: Padding) -> dict[str, int]:
    """The zeros above and left of the images, for a record."""
    return {"top": padding[0][0], "left": padding[1][0]}


def _of_kernel(gradient: Tensor, x: Tensor, shape: torch.Size, padding: Padding) -> tuple[Tensor, Tensor]:
    """The gradients of the kernel and of the bias, summed in groups that follow from the sizes alone."""
    (_, _, inputs, channels), tiles = shape, Tiles.of(gradient.shape, shape)
    starts, group = groups_of(tiles.number, _PLACES * inputs * channels, _MOST_GROUPS)
    sums, biases = torch.empty(len(starts), _PLACES, inputs, channels), torch.empty(len(starts), channels)
    record = _Sum(
        starts=starts, **tiles._asdict(), group=group, **_images("gradient", gradient), **_images("x", x), sums=sums,
        biases=biases, **_corner(padding),
    )  # fmt: skip
    over_rows(sum_gradients, record, len(starts), work=gradient.numel() * _PLACES)
    return torch.mm(_turned_kernel().T, sums.sum(0).view(_PLACES, -1)).view(shape), biases.sum(0)


class WinogradConvolution(torch.autograd.Function):
    """The convolution of images (n, h, w, c) with windows of 3x3, float32 on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, padding: Padding) -> Tensor:
        """Outputs (n, h', w', channels), of a kernel (3, 3, c, channels)."""
        ctx.save_for_backward(x, kernel)
        ctx.padding = padding
        return Winograd(kernel, bias, padding)(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the images, the kernel and the bias."""
        (x, kernel), gradient = ctx.saved_tensors, gradients[0].contiguous()
        found: list[Tensor | None] = [None] * 3
        if ctx.needs_input_grad[0]:
            last = len(kernel) - 1
            padding: Any = tuple((last - before, last - after) for before, after in ctx.padding)
            found[0] = Winograd(kernel.flip(0, 1).transpose(2, 3), None, padding)(gradient)
        if any(ctx.needs_input_grad[1:3]):
            found[1:] = _of_kernel(gradient, x.detach().contiguous(), kernel.shape, ctx.padding)
        return *(one if needed else None for one, needed in zip(found, ctx.needs_input_grad, strict=False)), None
