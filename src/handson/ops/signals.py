"""Fourier transforms. Complex numbers are pairs (real part, imaginary part), as in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handson.graph.conversion import as_float, convert
from handson.graph.operation import Tensors, operation


def _complex(x: list[Tensor]) -> Tensor:
    if len(x) != 2:
        raise ValueError("x is a pair (real part, imaginary part)")
    return torch.complex(*torch.broadcast_tensors(as_float(x[0]), as_float(x[1])))


def _transform(name: str, function: Callable[..., Tensor], says: str) -> Callable[..., Any]:
    def called(x: Tensors) -> tuple[Tensor, Tensor]:
        found = function(_complex(x))
        return found.real, found.imag

    called.__name__ = called.__qualname__ = name
    called.__doc__ = says
    return operation(called)


fft = _transform("fft", torch.fft.fft, "The Fourier transform along the last axis.")
fft2 = _transform("fft2", torch.fft.fft2, "The Fourier transform along the last two axes.")
ifft2 = _transform("ifft2", torch.fft.ifft2, "The inverse of `fft2`.")


@operation
def rfft(x: Tensor, fft_length: int | None = None) -> tuple[Tensor, Tensor]:
    """The half of the Fourier transform of real values that is not the mirror image of the other."""
    found = torch.fft.rfft(as_float(x), n=fft_length)
    return found.real, found.imag


@operation
def irfft(x: Tensors, fft_length: int | None = None) -> Tensor:
    """The inverse of `rfft`."""
    return torch.fft.irfft(_complex(x), n=fft_length)


def _window(window: Any, length: int, like: Tensor) -> Tensor:
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(f"a window is 'hann', 'hamming', {length} values or None; got {window!r}")
        function = torch.hann_window if window == "hann" else torch.hamming_window
        return function(length, periodic=True, dtype=like.dtype, device=like.device)
    if window is None:
        return torch.ones(length, dtype=like.dtype, device=like.device)
    return convert(window, like.dtype, like.device)


@operation
def stft(
    x: Tensor, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The Fourier transforms of stretches of the last axis, each times a window."""
    if fft_length < sequence_length:
        raise ValueError(f"fft_length is at least sequence_length; got {fft_length} and {sequence_length}")
    x = as_float(x)
    found = torch.stft(
        x.reshape(-1, x.shape[-1]), fft_length, sequence_stride, sequence_length,
        _window(window, sequence_length, x), center=center, return_complex=True,
    ).mT  # fmt: skip
    found = found.reshape(*x.shape[:-1], *found.shape[-2:])
    return found.real, found.imag


@operation
def istft(
    x: Tensors, sequence_length: int, sequence_stride: int, fft_length: int, length: int | None = None,
    window: Any = "hann", center: bool = True,
) -> Tensor:  # fmt: skip
    """The inverse of `stft`: overlapping stretches are added and divided by the sum of squared windows."""
    spectrum = _complex(x)
    stretches = torch.fft.irfft(spectrum, n=fft_length)
    weights = _window(window, sequence_length, stretches)
    left = (fft_length - sequence_length) // 2
    weights = torch.nn.functional.pad(weights, (left, fft_length - sequence_length - left))
    count, lead = stretches.shape[-2], stretches.shape[:-2]
    total = fft_length + sequence_stride * (count - 1)
    rows = (stretches * weights).reshape(-1, count, fft_length)
    added = _overlapped(rows, sequence_stride, total)
    norm = _overlapped((weights**2).expand(1, count, fft_length), sequence_stride, total)
    signal = added / torch.where(norm > 1e-11, norm, 1)
    start = fft_length // 2 if center else 0
    end = start + length if length is not None else total - start
    signal = torch.nn.functional.pad(signal, (0, max(0, end - total)))[:, start:end]
    return signal.reshape(*lead, signal.shape[-1])


def _overlapped(rows: Tensor, stride: int, total: int) -> Tensor:
    """Stretches added up where they overlap."""
    columns = rows.transpose(1, 2)
    return torch.nn.functional.fold(columns, (1, total), (1, rows.shape[-1]), stride=(1, stride))[:, 0, 0]
