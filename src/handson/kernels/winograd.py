"""Convolutions with windows of 2x2 or 3x3 in fewer multiplications: 9 instead of 16, or 16 instead of 36.

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

from handson.kernels.aligned import LINE
from handson.kernels.convolved_pool import Padding, outputs_of
from handson.kernels.pooled_convolution import groups_of
from handson.kernels.pooled_relu import ZERO
from handson.kernels.squares import turning
from handson.kernels.threads import over_rows
from handson.kernels.tiles import make_tiles
from handson.kernels.vectors import LANES, compiled, first_lanes, load, store
from handson.kernels.views import in_vectors

# Along one axis: outputs = _OUTPUTS @ ((_KERNEL @ kernel) * (_INPUTS @ inputs)), for windows of 2 and of 3.
_INPUTS = {2: ((1, -1, 0), (0, 1, 0), (0, -1, 1)), 3: ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))}
_KERNEL = {2: ((1, 0), (1, 1), (0, 1)), 3: ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))}
_OUTPUTS = {2: ((1, 1, 0), (0, 1, 1)), 3: ((1, 1, 1, 0), (0, 1, -1, 1))}
SIZES = tuple(_KERNEL)

_turn_inputs, _turn_outputs = turning(_INPUTS, split=True), turning(_OUTPUTS, split=False)
_turn_slopes = turning({size: tuple(zip(*matrix, strict=True)) for size, matrix in _OUTPUTS.items()}, split=True)

# What is worked on at once should be close at hand: so many values, but neither too few tiles nor too many.
_VALUES, _FEWEST_TILES, _MOST_TILES = 1 << 16, 16, 64
# Where it pays: with so many channels at least, and at most so many outputs made for one that is wanted; and with
# vectors of 16 lanes, of which a processor holds 32. Of shorter ones it holds 16: a square fills them, and nothing is
# gained.
_FEWEST_CHANNELS, _MOST_OUTPUTS_MADE, _FEWEST_LANES = 32, 1.25, 16
# The gradients of a kernel are summed in so many groups of tiles at most.
_MOST_GROUPS = 16


@compiled
def _room(shape):
    """Room for float32, from a line of the cache on."""
    size = shape[0] * shape[1] * shape[2]
    room = np.empty(size + LINE, np.float32)
    start = -(room.ctypes.data // 4) % LINE
    return room[start : start + size].reshape(shape)


@compiled
def _cut_out(images, n, i, j, patch):
    """Copy what is in an image from (i, j) on, with zeros around it."""
    _, height, width, channels = images.shape
    nothing = first_lanes(load(patch, (0, 0, 0)), 0)
    for a in range(patch.shape[0]):
        for b in range(patch.shape[1]):
            inside = 0 <= i + a < height and 0 <= j + b < width
            for c in range(0, channels, LANES):
                store(patch, (a, b, c), load(images, (n, i + a, j + b, c)) if inside else nothing)


@compiled
def _take_apart(images, tiles, first, count, corner, size, patch, found):
    """The sums and differences of the squares of some tiles, of what their outputs see, or of their gradients.

    A square is as large as `patch`; that of the first tile begins at `corner`.
    """
    _, height, width, channels = images.shape
    side = patch.shape[0]
    for t in range(count):
        n, place = divmod(first + t, tiles.per_image)
        i, j = corner[0] + 2 * (place // tiles.across), corner[1] + 2 * (place % tiles.across)
        whole = i >= 0 and j >= 0 and i + side <= height and j + side <= width
        if not whole:
            _cut_out(images, n, i, j, patch)
        for c in range(0, channels, LANES):
            if side == 2 and whole:
                _turn_slopes(images, (n, i, j, c), found, (0, t, c), size)
            elif side == 2:
                _turn_slopes(patch, (0, 0, c), found, (0, t, c), size)
            elif whole:
                _turn_inputs(images, (n, i, j, c), found, (0, t, c), size)
            else:
                _turn_inputs(patch, (0, 0, c), found, (0, t, c), size)


@compiled
def _put_together(sums, y, tiles, first, count, size, patch):
    """The outputs of some tiles."""
    _, height, width, channels = y.shape
    for t in range(count):
        n, place = divmod(first + t, tiles.per_image)
        i, j = 2 * (place // tiles.across), 2 * (place % tiles.across)
        whole = i + 2 <= height and j + 2 <= width
        for c in range(0, channels, LANES):
            if whole:
                _turn_outputs(sums, (0, t, c), y, (n, i, j, c), size)
                continue
            _turn_outputs(sums, (0, t, c), patch, (0, 0, c), size)
            for a in range(min(2, height - i)):
                for b in range(min(2, width - j)):
                    store(y, (n, i + a, j + b, c), load(patch, (a, b, c)))


@compiled
def convolve_tiles(starts, tiles, y, x, weights, begins, corner, size):
    """Outputs y (n, h, w, channels) of x (n, h', w', inputs), for the tiles from each start on that go together."""
    places, inputs, channels = weights.shape
    seen, sums = _room((places, tiles.at_once, inputs)), _room((places, tiles.at_once, channels))
    patch, outputs = _room((size + 1, size + 1, inputs)), _room((2, 2, channels))
    for first in starts:
        count = min(tiles.at_once, tiles.count - first)
        _take_apart(x, tiles, first, count, corner, size, patch, seen)
        for f in range(places):
            make_tiles(sums[f], begins[f], seen[f], count, in_vectors(weights[f], channels // LANES))
        _put_together(sums, y, tiles, first, count, size, outputs)


@compiled
def sum_gradients(starts, sums, biases, tiles, group, gradient, x, corner, size):
    """For each group of tiles the gradients of the weights (places, inputs, channels) and of the bias."""
    _, places, inputs, channels = sums.shape
    seen, slopes = _room((places, tiles.at_once, inputs)), _room((places, tiles.at_once, channels))
    patch, ends = _room((size + 1, size + 1, inputs)), _room((2, 2, channels))
    for g in range(len(starts)):
        sums[g], biases[g] = ZERO, ZERO
        last = min(starts[g] + group, tiles.count)
        for first in range(starts[g], last, tiles.at_once):
            count = min(tiles.at_once, last - first)
            _take_apart(x, tiles, first, count, corner, size, patch, seen)
            _take_apart(gradient, tiles, first, count, (0, 0), size, ends, slopes)
            for f in range(places):
                right = in_vectors(slopes[f, :count], channels // LANES)
                make_tiles(sums[g, f], sums[g, f], seen[f, :count].T, inputs, right)
            for t in range(count):
                for c in range(0, channels, LANES):
                    store(biases, (g, c), load(biases, (g, c)) + load(slopes, (_middle(size), t, c)))


@compiled
def _middle(size):
    """The place that is a plain sum of the gradients, and where what is added is added to all outputs."""
    return size + 2


@lru_cache
def _turned_kernel(size: int) -> Tensor:
    """What the values of a window are multiplied with, (places, size * size)."""
    matrix = torch.tensor(_KERNEL[size], dtype=torch.float32)
    return torch.kron(matrix, matrix)


class Tiles(NamedTuple):
    """How the outputs of a convolution are divided into squares of 2x2.

    Attributes
    ----------
    across, per_image, count : int
        How many there are across an image, in an image, and in all.
    at_once : int
        How many are worked on together.
    """

    across: int
    per_image: int
    count: int
    at_once: int

    @staticmethod
    def of(outputs: tuple[int, ...], kernel: tuple[int, ...]) -> Tiles:
        """Tiles of outputs (n, h, w, channels) of a kernel (k, k, inputs, channels)."""
        images, height, width, channels = outputs
        across, per_image = -(-width // 2), -(-height // 2) * -(-width // 2)
        at_once = _VALUES // ((kernel[0] + 1) ** 2 * (kernel[2] + channels))
        return Tiles(across, per_image, images * per_image, max(_FEWEST_TILES, min(_MOST_TILES, at_once)))


def pays(x: tuple[int, ...], kernel: tuple[int, ...], padding: Padding) -> bool:
    """Whether a convolution of images (n, h, w, inputs) is faster here than in PyTorch; the channels fill vectors.

    Examples
    --------
    >>> pays((64, 14, 14, 32), (5, 5, 32, 64), ((1, 1), (1, 1)))
    False
    """
    if kernel[0] != kernel[1] or kernel[0] not in SIZES or LANES < _FEWEST_LANES:
        return False
    outputs, (inputs, channels) = outputs_of(x, kernel, padding), kernel[2:]
    count = Tiles.of(outputs, kernel).count
    full = 4 * count <= _MOST_OUTPUTS_MADE * prod(outputs[:3])
    vectors = min(inputs, channels) >= _FEWEST_CHANNELS and inputs % LANES == channels % LANES == 0
    return vectors and full and count >= 2 * max(inputs, channels)


class Winograd:
    """A convolution with a kernel (k, k, inputs, channels), k 2 or 3, without gradients.

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
    >>> twice = Winograd(2 * torch.eye(16).expand(2, 2, 16, 16), None, ((0, 0), (0, 0)))
    >>> twice(torch.ones(1, 2, 2, 16))[0, 0, 0, :3]
    tensor([8., 8., 8.])
    """

    def __init__(self, kernel: Tensor, bias: Tensor | None, padding: Padding) -> None:
        self.shape, self.padding, (size, _, inputs, channels) = kernel.shape, padding, kernel.shape
        weights = torch.mm(_turned_kernel(size), kernel.detach().reshape(size * size, -1))
        self.weights = weights.view(-1, inputs, channels).numpy()
        self.begins = np.zeros((len(self.weights), channels), np.float32)
        if bias is not None:
            self.begins[_middle(size)] = bias.detach().numpy()

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (n, h', w', channels) of images x (n, h, w, inputs)."""
        y = torch.empty(outputs_of(x.shape, self.shape, self.padding))
        tiles = Tiles.of(y.shape, self.shape)
        starts = np.arange(0, tiles.count, tiles.at_once)
        given = tiles, y.numpy(), x.detach().contiguous().numpy(), self.weights, self.begins
        work = y.numel() * len(self.weights)
        over_rows(convolve_tiles, (starts,), *given, _corner(self.padding), self.shape[0], work=work)
        return y


def _corner(padding: Padding) -> tuple[int, int]:
    """Where the first window begins."""
    (top, _), (left, _) = padding
    return -top, -left


def _of_kernel(gradient: np.ndarray, x: np.ndarray, shape: torch.Size, padding: Padding) -> tuple[Tensor, Tensor]:
    """The gradients of the kernel and of the bias, summed in groups that follow from the sizes alone."""
    (size, _, inputs, channels), tiles = shape, Tiles.of(gradient.shape, shape)
    places = (size + 1) ** 2
    starts, group = groups_of(tiles.count, places * inputs * channels, _MOST_GROUPS)
    sums, biases = torch.empty(len(starts), places, inputs, channels), torch.empty(len(starts), channels)
    given = tiles, group, gradient, x, _corner(padding), size
    over_rows(sum_gradients, (starts, sums.numpy(), biases.numpy()), *given, work=gradient.size * places)
    return torch.mm(_turned_kernel(size).T, sums.sum(0).view(places, -1)).view(shape), biases.sum(0)


class WinogradConvolution(torch.autograd.Function):
    """The convolution of images (n, h, w, c) with windows of 2x2 or 3x3, float32 on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, padding: Padding) -> Tensor:
        """Outputs (n, h', w', channels), of a kernel (k, k, c, channels)."""
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
            padding = tuple((last - before, last - after) for before, after in ctx.padding)
            found[0] = Winograd(kernel.flip(0, 1).transpose(2, 3), None, padding)(gradient)
        if any(ctx.needs_input_grad[1:3]):
            values = x.detach().contiguous().numpy()
            found[1:] = _of_kernel(gradient.numpy(), values, kernel.shape, ctx.padding)
        return *(one if needed else None for one, needed in zip(found, ctx.needs_input_grad, strict=False)), None
