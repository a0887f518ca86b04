"""Kernels on several cores: the rows of their arrays are dealt to threads.

The threads are those of PyTorch's own operations where they are GNU OpenMP's, as in its builds for Linux: they wait for
work without sleeping, and threads beside them would have to share the cores with that waiting. Elsewhere, and in a
process that was forked, which has lost OpenMP's threads, Python's do it, for kernels that release its lock.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

# For fewer values a second thread costs more than it brings.
WORTH_A_THREAD = 1 << 16
_pools: list[ThreadPoolExecutor] = []
_forked: list[bool] = []
_OUTLINED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)
    os.register_at_fork(after_in_child=partial(_forked.append, True))


def over_rows(
    kernel: Callable[..., Any], arrays: tuple[np.ndarray, ...], *constants: Any, work: int | None = None
) -> None:
    """Call `kernel(*arrays, *constants)`, on as many threads as torch uses.

    Parameters
    ----------
    kernel : function
        Compiled with ``nogil=True``; what it does with a row of the arrays depends on no other row.
    arrays : tuple of ndarray
        As many rows each.
    *constants
        The same for all rows.
    work : int, optional
        How many values are gone through. The default is the size of the first array.

    Examples
    --------
    >>> x, y = np.arange(4.0), np.zeros(4)
    >>> over_rows(lambda x, y, factor: np.multiply(x, factor, out=y), (x, y), 2)
    >>> y
    array([0., 2., 4., 6.])
    """
    rows = len(arrays[0])
    parts = min(torch.get_num_threads(), rows, (arrays[0].size if work is None else work) // WORTH_A_THREAD)
    if parts < 2:
        kernel(*arrays, *constants)
        return
    ends = [rows * part // parts for part in range(parts + 1)]
    _share_out([partial(kernel, *(array[start:end] for array in arrays), *constants) for start, end in pairwise(ends)])


def _share_out(tasks: list[Callable[[], Any]]) -> None:
    """Call each function, on as many threads; an error in one is raised when all have ended."""
    errors: list[BaseException] = []
    pending = iter(tasks)

    def work(_: Any) -> None:
        try:
            for task in pending:  # whichever thread comes first takes the next
                task()
        except BaseException as error:  # an exception must not leave a function that OpenMP calls
            errors.append(error)

    openmp = None if _forked else _openmp()
    if openmp is not None:
        openmp.GOMP_parallel(_OUTLINED(work), None, len(tasks), 0)
    else:
        futures = [_pool().submit(work, None) for _ in tasks[1:]]
        work(None)
        for future in futures:
            future.result()
    if errors:
        raise errors[0]


@cache
def _openmp() -> ctypes.CDLL | None:
    """The GNU OpenMP library that PyTorch brings along."""
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        library = ctypes.CDLL(str(path))
        library.GOMP_parallel.argtypes = [_OUTLINED, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        library.GOMP_parallel.restype = None
        return library
    return None


def _pool() -> ThreadPoolExecutor:
    if not _pools:
        _pools.append(ThreadPoolExecutor(os.cpu_count(), "handson kernel"))
    return _pools[0]
