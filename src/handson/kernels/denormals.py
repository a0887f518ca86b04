"""Numbers so small that a processor computes with them many times more slowly than with others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Below the smallest normal number of 32 bits, 1.2e-38.
DENORMAL = np.array([1e-40], np.float32)


def flushes() -> bool:
    """Whether this thread takes denormal numbers for zero."""
    return bool((DENORMAL + DENORMAL)[0] == 0)


@contextmanager
def flushed() -> Iterator[None]:
    """While this lasts, this thread takes denormal numbers for zero, on processors that can.

    What an optimizer remembers of a weight without gradient decays to such numbers and stays among them: without this,
    a long training of a small net takes three to five times as long as its first steps.

    Examples
    --------
    >>> before = flushes()
    >>> with flushed():
    ...     total = DENORMAL + DENORMAL
    >>> flushes() == before
    True
    """
    before = flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
