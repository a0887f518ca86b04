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


# How often a thread of OpenMP looks before it sleeps, some tens of microseconds; by itself it looks for milliseconds.
LOOKS = "10000"


def share_processors() -> None:
    """Let threads that wait for each other sleep soon, so that busy processors are left to who has work.

    Two threads on two processors that others use too wait for each other most of the time. It takes effect if torch is
    not loaded yet, and not where the user has said how threads wait.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = LOOKS
