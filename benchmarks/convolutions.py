"""Convolutions in fewer multiplications beside PyTorch's: milliseconds, and errors beside double precision.

    python benchmarks/convolutions.py

For each size the convolution and its gradients (inputs, kernel, bias) are computed in turn by both; medians with the
lowest and the highest. The error is the largest of outputs and gradients, as a share of the largest value.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from handson.kernels.convolved_pool import Padding
from handson.kernels.winograd import WinogradConvolution, pays
from handson.training.memory import keep_blocks

# Images, their height and width, inputs, channels, the size of windows, zeros around the images.
SIZES = [
    (64, 14, 32, 64, 3, 1), (64, 28, 32, 32, 3, 1), (64, 28, 64, 64, 3, 1), (32, 16, 128, 128, 3, 1),
    (32, 8, 256, 256, 3, 1), (32, 4, 256, 512, 3, 1), (64, 14, 16, 32, 3, 1),
]  # fmt: skip


def convolve(x: Tensor, kernel: Tensor, bias: Tensor, padding: Padding) -> Tensor:
    """PyTorch's convolution, channels last."""
    images, weights = x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)
    return F.conv2d(images, weights, bias, padding=padding[0][0]).permute(0, 2, 3, 1)


def both_ways(ours: bool, leaves: list[Tensor], padding: Padding, upper: Tensor | None) -> list[Tensor]:
    """The outputs and the gradients of the leaves."""
    x, kernel, bias = leaves
    y = (WinogradConvolution.apply if ours else convolve)(x, kernel, bias, padding)
    return [y.detach(), *torch.autograd.grad(y, leaves, torch.ones_like(y) if upper is None else upper)]


def measure(size: tuple[int, ...], repetitions: int) -> None:
    """Print a line for one size."""
    images, side, inputs, channels, window, zeros = size
    generator = torch.Generator().manual_seed(0)
    padding = (zeros, zeros), (zeros, zeros)
    shapes = (images, side, side, inputs), (channels, window, window, inputs), (channels,)
    x, kernel, bias = (torch.randn(shape, generator=generator) for shape in shapes)
    leaves = [x, (kernel / (window**2 * inputs) ** 0.5).permute(1, 2, 3, 0), bias]
    exact = [leaf.double().requires_grad_() for leaf in leaves]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    upper = torch.randn(both_ways(True, leaves, padding, None)[0].shape, generator=generator)
    expected, errors = both_ways(False, exact, padding, upper.double()), []
    times: dict[bool, list[float]] = {False: [], True: []}
    for ours in times:
        pairs = zip(both_ways(ours, leaves, padding, upper), expected, strict=True)
        errors.append(max(float((one - right).abs().max() / right.abs().max()) for one, right in pairs))
    for _ in range(repetitions):
        for ours, found in times.items():
            started = time.perf_counter()
            both_ways(ours, leaves, padding, upper)
            found.append((time.perf_counter() - started) * 1000)
    figures = [f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in times.values()]
    ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
    chosen = "yes" if pays(x.shape, leaves[1].shape, padding) else "no"
    name = f"{images}×{side}×{side}, {inputs} to {channels}, {window}×{window}"
    print(f"| {name} | {figures[0]} | {figures[1]} | {ratio:.2f} | {chosen} | {errors[0]:.1e} | {errors[1]:.1e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    arguments = parser.parse_args()
    keep_blocks()
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| convolution | PyTorch [ms] | here [ms] | times | chosen | error | error here |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for size in SIZES:
        measure(size, arguments.repetitions)


if __name__ == "__main__":
    main()
