"""Forked processes: the threads that PyTorch computes with do not live on in the child, which waits for them for ever.

A fork copies one thread of a process only. If PyTorch has computed with several threads before, the child finds a pool
whose threads are not there, and its first parallel operation hangs. With one thread no pool is asked.
"""

from __future__ import annotations

import os
import threading

# Threads of the parent when this process was forked from it, without Python's own; 0 where there was no fork.
_at_fork = [0]


def _count() -> None:
    """Count threads before a fork; nowhere but on Linux are they to be seen."""
    tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
    _counted[0] = max(0, tasks - threading.active_count() + 1)


def _remember() -> None:
    # A child of a child inherits a pool that is lost already.
    _at_fork[0] = max(_at_fork[0], _counted[0])


_counted = [0]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_count, after_in_child=_remember)


def lost_threads() -> bool:
    """Whether this is a forked process that would wait for threads of its parent for ever.

    That is so when the parent had more threads than belong to BLAS, which starts its own anew.
    """
    if not _at_fork[0]:
        return False
    import torch
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool.get("threading_layer") == "pthreads"]
    return torch.get_num_threads() > 1 and _at_fork[0] > 1 + sum(pool["num_threads"] - 1 for pool in pools)


def one_thread() -> None:
    """Compute with one thread in a process that has lost the others: for workers, which are one for each core."""
    if lost_threads():
        import torch

        torch.set_num_threads(1)


def check_threads() -> None:
    """Raise in a forked process that would wait for threads of its parent for ever.

    Raises
    ------
    HandsonError
        When there are such threads.
    """
    if lost_threads():
        from handson.core.errors import HandsonError

        raise HandsonError(
            "this process was forked from one in which PyTorch had computed with several threads, which a fork does "
            "not copy: it would wait for them for ever. Start processes with multiprocessing.get_context('spawn'), or "
            "call torch.set_num_threads(1) in this process first."
        )
