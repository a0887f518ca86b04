"""The processors that this process may use."""

from __future__ import annotations

import os


def processors() -> int:
    """How many there are: those that a cluster's scheduler or `taskset` leaves to the process, where that is known.

    Examples
    --------
    >>> processors() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
