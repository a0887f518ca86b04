"""Forked processes: the threads that PyTorch computes with do not live on in the child, which waits for them for ever.

A fork copies one thread of a process only. If PyTorch has computed with several threads before, the child finds a pool
whose threads are not there, and its first parallel operation hangs. With one thread no pool is asked.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import torch

from handson.errors import HandsonError

_TASKS = Path("/proc/self/task")


def _native_threads() -> int:
    """Threads of this process that are not Python's; 0 where that cannot be found out."""
    return len(list(_TASKS.iterdir())) - threading.active_count() if _TASKS.is_dir() else 0


class _Pool:
    """Whether this process is a child whose parent had started threads that are lost now."""

    def __init__(self) -> None:
        self.at_import, self.started, self.lost = _native_threads(), False, False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.before, after_in_child=self.in_child)

    def before(self) -> None:
        self.started = _native_threads() > self.at_import

    def in_child(self) -> None:
        self.lost, self.at_import = self.lost or self.started, 0


_pool = _Pool()


def check_threads() -> None:
    """Raise in a forked process that would wait for threads of its parent for ever."""
    if _pool.lost and torch.get_num_threads() > 1:
        raise HandsonError(
            "this process was forked from one in which PyTorch had computed with several threads, which a fork does "
            "not copy: it would wait for them for ever. Start processes with multiprocessing.get_context('spawn'), or "
            "call torch.set_num_threads(1) in this process first."
        )
