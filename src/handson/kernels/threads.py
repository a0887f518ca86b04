"""Kernels on several cores: the rows of a record are dealt to threads.

The threads are those of PyTorch's own operations where they are OpenMP's, as in its builds for Linux: they wait for
work without sleeping, and threads beside them would have to share the cores with that waiting. Elsewhere, and in a
process that was forked, which has lost OpenMP's threads, a pool of the library's own does it (``c/threads.c``).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from handson.kernels.library import Kernel, Record, loaded

# For fewer values a second thread costs more than it brings.
WORTH_A_THREAD = 1 << 16
# So many parts for a thread: one that was late, or is disturbed, takes fewer.
_PARTS = 4
_forked: list[bool] = []
_alone: list[bool] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _forked.append(True))


def over_rows(kernel: Kernel, record: Record, rows: int, work: int) -> None:
    """Call a kernel with all rows of a record, on as many threads as torch uses.

    Parameters
    ----------
    kernel : Kernel
        What it does with a row depends on no other row.
    record : Record
        What it is given.
    rows : int
        How many there are.
    work : int
        How many values are gone through.

    Raises
    ------
    MemoryError
        If the kernel failed in a thread: all that fails in a kernel is its asking for memory.
    """
    start, count = crew()
    threads = max(1, min(count, rows, work // WORTH_A_THREAD))
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


@cache
def _openmp() -> int | None:
    """Where ``GOMP_parallel`` is in the OpenMP library that PyTorch brings along, GNU's or LLVM's."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("lib*omp*")):
        entry = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
        if entry is not None:
            return ctypes.cast(entry, ctypes.c_void_p).value
    return None
