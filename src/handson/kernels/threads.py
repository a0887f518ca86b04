"""Kernels on several cores: the rows of their arrays are dealt to threads.

The threads are those of PyTorch's own operations where they are GNU OpenMP's, as in its builds for Linux: they wait for
work without sleeping, and threads beside them would have to share the cores with that waiting. Elsewhere, and in a
process that was forked, which has lost OpenMP's threads, Python's do it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handson.kernels.library import Kernel, Record, loaded
from handson.kernels.sharing import on_threads

# For fewer values a second thread costs more than it brings.
WORTH_A_THREAD = 1 << 16
# So many parts for a thread: one that was late, or is disturbed, takes fewer.
_PARTS = 4
_pools: list[ThreadPoolExecutor] = []
_forked: list[bool] = []
_alone: list[bool] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)
    os.register_at_fork(after_in_child=lambda: _forked.append(True))


def over_rows(kernel: Any, arrays: tuple[np.ndarray, ...], *constants: Any, work: int | None = None) -> None:
    """Call `kernel(*arrays, *constants)`, on as many threads as torch uses.

    Parameters
    ----------
    kernel : function
        Compiled by numba with ``nogil=True``; what it does with a row of the arrays depends on no other row.
    arrays : tuple of ndarray
        As many rows each.
    *constants
        The same for all rows.
    work : int, optional
        How many values are gone through. The default is the size of the first array.

    Raises
    ------
    MemoryError
        If the kernel failed in a thread: all that fails in a kernel is its asking for memory.

    Examples
    --------
    >>> import numba
    >>> @numba.njit(nogil=True)
    ... def double(x, y, factor):
    ...     y[:] = factor * x
    >>> x, y = np.arange(4.0), np.zeros(4)
    >>> over_rows(double, (x, y), 2)
    >>> y
    array([0., 2., 4., 6.])
    """
    if isinstance(kernel, Kernel):
        return share_rows(kernel, arrays, *constants, work=work)
    rows = len(arrays[0])
    most = (arrays[0].size if work is None else work) // WORTH_A_THREAD
    threads = max(1, min(torch.get_num_threads(), rows, most))
    start = None if _forked else _openmp()
    if start is None:
        _on_pool(kernel, arrays, constants, threads)
        return
    parts = min(rows, _PARTS * threads) if threads > 1 else 1
    if failed := on_threads(kernel)(start, threads, parts, arrays, *constants):
        raise MemoryError(f"{kernel.__name__}: {failed} of {parts} parts failed.")


def share_rows(kernel: Kernel, record: Record, rows: int, work: int | None) -> None:
    """Call a kernel of the library with all rows of a record, on as many threads as torch uses."""
    start, count = crew()
    threads = max(1, min(count, rows, (rows if work is None else work) // WORTH_A_THREAD))
    parts = min(rows, _PARTS * threads) if threads > 1 else 1
    if failed := _share()(start, kernel.function, ctypes.addressof(record), rows, threads, parts):
        raise MemoryError(f"{kernel.name}: {failed} of {parts} parts failed.")


@cache
def _share() -> Any:
    share, whole = loaded().handson_share, ctypes.c_int64
    share.argtypes, share.restype = [ctypes.c_void_p] * 3 + [whole] * 3, whole
    return share


def crew() -> tuple[int | None, int]:
    """Where the function is that starts threads of OpenMP, if there is one, and how many threads to use."""
    return None if _forked else _openmp(), 1 if _alone else torch.get_num_threads()


@contextmanager
def alone() -> Iterator[None]:
    """While this lasts, every kernel stays on the thread that calls it: there are enough others at work.

    Examples
    --------
    >>> with alone():
    ...     crew()[1]
    1
    """
    _alone.append(True)
    try:
        yield
    finally:
        _alone.pop()


def _on_pool(kernel: Any, arrays: tuple[np.ndarray, ...], constants: tuple[Any, ...], parts: int) -> None:
    """Call a kernel with parts of the rows of arrays, each on a thread of Python; a single one on the caller's."""
    if parts < 2:
        kernel(*arrays, *constants)
        return
    if not _pools:
        _pools.append(ThreadPoolExecutor(os.cpu_count(), "handson kernel"))
    rows = len(arrays[0])
    ends = pairwise(rows * part // parts for part in range(parts + 1))
    dealt = [tuple(array[start:end] for array in arrays) for start, end in ends]
    futures = [_pools[0].submit(kernel, *mine, *constants) for mine in dealt]
    wait(futures)
    for future in futures:
        future.result()


@cache
def _openmp() -> int | None:
    """Where ``GOMP_parallel`` is in the OpenMP library that PyTorch brings along: GNU's, or LLVM's, which has it too."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("lib*omp*")):
        entry = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
        if entry is not None:
            return ctypes.cast(entry, ctypes.c_void_p).value
    return None
