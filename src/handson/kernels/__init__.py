"""Compiled CPU kernels, each beside the plain expression that it must equal in the tests."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path


def forget_stale(folder: Path) -> None:
    """Delete what was compiled from the files of a folder before the last of them was changed.

    A compiled function holds those that it calls, of other files too. Numba looks at its own file only, so after an
    update of a working copy some would go on as before.
    """
    changed = max((file.stat().st_mtime for file in folder.glob("*.py")), default=0.0)
    if changed > time.time():  # a wrong clock, by which everything would always be stale
        return
    for compiled in (folder / "__pycache__").glob("*.nb[ic]"):
        with suppress(OSError):  # another process was first, or nothing may be written here
            if compiled.stat().st_mtime < changed:
                compiled.unlink()


forget_stale(Path(__file__).parent)
