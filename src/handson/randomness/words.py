"""Random words for the elements of samples, the same bits on every device.

A key and the id of a sample give two 32-bit words; these and the position of an element give the element's word.
The mixing steps and constants are those of a 32-bit hash with very low bias (C. Wellons, "Prospecting for hash
functions", 2018, improved constants of 2022). All arithmetic is modulo 2**32 on int32 tensors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

WEYL, FIRST, SECOND = 0x9E3779B9, 0x21F0AAAD, 0x735A2D97

# A 64-bit number, or its two halves as int32 of shape (2,), the low one first.
Key = int | Tensor


def signed(word: int) -> int:
    """The int32 with the same bits as an unsigned 32-bit number."""
    word &= 0xFFFFFFFF
    return word - (1 << 32) if word >= 1 << 31 else word


def halves(key: Key) -> Any:
    """The low and the high 32 bits of a key, signed.

    Examples
    --------
    >>> halves(7), halves(torch.tensor([7, 0], dtype=torch.int32))
    ((7, 0), (tensor(7, dtype=torch.int32), tensor(0, dtype=torch.int32)))
    """
    return key.unbind() if isinstance(key, Tensor) else (signed(key), signed(key >> 32))


def _fold(x: Tensor, shift: int) -> Tensor:
    """x ^ (x >> shift) with zeros shifted in."""
    return x ^ ((x >> shift) & ((1 << (32 - shift)) - 1))


def _mix(x: Tensor) -> Tensor:
    x = _fold(x, 16) * signed(FIRST)
    return _fold(_fold(x, 15) * signed(SECOND), 15)


def row_words(key: Key, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Two random words, int32 of shape (n,), for each sample id."""
    low, high = halves(key)
    start = _mix(rows.to(torch.int32) * signed(WEYL) + low)
    return _mix(start ^ high), _mix(start + high + signed(WEYL))


def words(key: Key, rows: Tensor, count: int) -> Tensor:
    """Random words, int32 of shape (n, count), for `count` elements of each sample.

    Parameters
    ----------
    key : int or Tensor
        A 64-bit key (`handson.randomness.derive`), or its halves as a tensor.
    rows : Tensor of int, shape (n,)
        The ids of the samples, on the device that the words are wanted on.
    count : int
        How many words a sample needs.

    Examples
    --------
    >>> both = words(7, torch.tensor([3, 5]), 4)
    >>> torch.equal(both[1:], words(7, torch.tensor([5]), 4))
    True
    """
    first, second = row_words(key, rows)
    position = torch.arange(count, dtype=torch.int32, device=rows.device) * signed(WEYL)
    x = _fold(position + first[:, None], 16).mul_(signed(FIRST))
    x = (_fold(x, 15) + second[:, None]).mul_(signed(SECOND))
    return _fold(x, 15)


def keep(key: Key, rows: Tensor, count: int, rate: float) -> Tensor:
    """A mask, bool of shape (n, count), that is False with probability `rate`.

    Examples
    --------
    >>> round(keep(7, torch.arange(1000), 100, rate=0.3).float().mean().item(), 2)
    0.7
    """
    threshold = signed(min(round(rate * 2**32), 2**32 - 1) ^ 0x80000000)
    return (words(key, rows, count) ^ signed(0x80000000)) >= threshold


def uniform(key: Key, rows: Tensor, count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Numbers, float32 of shape (n, count), uniform on [low, high) in steps of 2**-24 of the range."""
    fraction = ((words(key, rows, count) >> 8) & 0xFFFFFF).to(torch.float32) * 2.0**-24
    # Rounding may bring the largest of them up to the bound, which is not one of them.
    largest = float(np.nextafter(np.float32(high), np.float32(low)))
    return (fraction * (high - low) + low).clamp_(max=largest)


def normal(key: Key, rows: Tensor, count: int) -> Tensor:
    """Standard normal numbers, float32 of shape (n, count), by the method of Box and Muller (1958)."""
    pairs = uniform(key, rows, 2 * ((count + 1) // 2)).view(len(rows), -1, 2)
    radius = torch.sqrt(-2.0 * torch.log1p(-pairs[..., 0]))
    angle = (2.0 * math.pi) * pairs[..., 1]
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), -1).flatten(1)[:, :count]
