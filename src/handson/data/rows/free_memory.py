"""How much memory a process may still take, and what is read into it."""

from __future__ import annotations

import os
from pathlib import Path

# The share of the free memory that a file may take; a split and a conversion each need as much again.
SHARE = 0.25
MEMORY, GROUP, GROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def is_large(size: int, free: int | None) -> bool:
    """Whether data of so many bytes stay in their file.

    Examples
    --------
    >>> is_large(10 << 30, free=24 << 30), is_large(4 << 30, free=24 << 30), is_large(10 << 30, free=None)
    (True, False, False)
    """
    return free is not None and size > SHARE * free


def free_memory() -> int | None:
    """Bytes that are free on this machine, or for this job where the system limits it; None where it is not known."""
    try:
        lines = MEMORY.read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return _installed()
    limit = _limit_of_group()
    return free if limit is None else min(free, limit)


def _installed() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _limit_of_group() -> int | None:
    """What a control group, such as that of a cluster's job, leaves of its limit."""
    try:
        path = next(line[3:] for line in GROUP.read_text().splitlines() if line.startswith("0::"))
        folder = GROUPS / path.strip("/")
        return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
    except (OSError, StopIteration, ValueError):
        return None
