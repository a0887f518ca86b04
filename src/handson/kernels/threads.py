"""Kernels on several cores: the rows of their arrays are dealt to threads.

The threads are Python's, for kernels that release its lock. So a kernel is compiled once for any number of cores, and a
process that was forked makes threads of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch

# For fewer values a second thread costs more than it brings.
WORTH_A_THREAD = 1 << 18
_pools: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


def over_rows(kernel: Callable[..., Any], arrays: tuple[np.ndarray, ...], *constants: Any) -> None:
    """Call `kernel(*arrays, *constants)`, on as many threads as torch uses.

    Parameters
    ----------
    kernel : function
        Compiled with ``nogil=True``; what it does with a row of the arrays depends on no other row.
    arrays : tuple of ndarray
        As many rows each; the first says how much work there is.
    *constants
        The same for all rows.

    Examples
    --------
    >>> x, y = np.arange(4.0), np.zeros(4)
    >>> over_rows(lambda x, y, factor: np.multiply(x, factor, out=y), (x, y), 2)
    >>> y
    array([0., 2., 4., 6.])
    """
    rows = len(arrays[0])
    parts = min(torch.get_num_threads(), rows, arrays[0].size // WORTH_A_THREAD)
    if parts < 2:
        kernel(*arrays, *constants)
        return
    ends = [rows * part // parts for part in range(parts + 1)]
    first, *others = ([array[start:end] for array in arrays] for start, end in pairwise(ends))
    futures = [_pool().submit(kernel, *part, *constants) for part in others]
    kernel(*first, *constants)
    for future in futures:
        future.result()


def _pool() -> ThreadPoolExecutor:
    if not _pools:
        _pools.append(ThreadPoolExecutor(os.cpu_count(), "handson kernel"))
    return _pools[0]
