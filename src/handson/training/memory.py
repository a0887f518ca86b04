"""How the process keeps its memory while it trains on a CPU.

The C library of Linux gives large blocks back to the system as soon as they are free. A training step allocates the
same large blocks again and again, and getting them afresh costs more than the arithmetic in them: every page is zeroed
and mapped anew. Kept in the process, they cost nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Parameters of mallopt(3): no separate mappings, and give nothing back.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD = 64 << 20

VARIABLE = "HANDSON_KEEP_MEMORY"
_done = False


def keep_blocks() -> str | None:
    """Let the process keep large blocks; once, on Linux with glibc, unless HANDSON_KEEP_MEMORY=0 is set.

    Returns
    -------
    str or None
        What was done, the first time.
    """
    global _done
    if _done or not sys.platform.startswith("linux") or os.environ.get(VARIABLE) == "0":
        return None
    _done = True
    try:
        library = ctypes.CDLL("libc.so.6")
        kept = all(
            library.mallopt(parameter, value)
            for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, TOP_PAD))
        )
    except (OSError, AttributeError):
        return None
    return f"memory: the process keeps large blocks, which is faster ({VARIABLE}=0 turns it off)" if kept else None
