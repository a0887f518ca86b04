"""Processes of this machine: whether one of them still runs."""

from __future__ import annotations

import os
from pathlib import Path


def ticks_of(process: int) -> int | None:
    """When a process of this machine began; None for one that is gone, 0 where the system does not say.

    Examples
    --------
    >>> ticks_of(os.getpid()) is not None
    True
    """
    try:
        os.kill(process, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return None
    try:
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return None if fields[0] == "Z" else int(fields[19])
