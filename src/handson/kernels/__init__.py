"""Compiled CPU kernels, each beside the plain expression that it must equal in the tests."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
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


def need_cache(folder: Path) -> None:
    """Give numba a folder for compiled functions that goes with the process, where it would find none to write to.

    A cache saves time at the next start and is not needed, but numba refuses to compile without one, as in a container
    whose installation and home cannot be written to.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "numba")
    if os.environ.get("NUMBA_CACHE_DIR") or any(map(_is_writable, (folder / "__pycache__", home))):
        return
    places = [None, "/dev/shm"]
    for place in places:
        with suppress(OSError):
            private = tempfile.mkdtemp(prefix="handson-", dir=place)
            atexit.register(shutil.rmtree, private, ignore_errors=True)
            os.environ["NUMBA_CACHE_DIR"] = private
            if "numba" in sys.modules:
                sys.modules["numba"].config.CACHE_DIR = private
            return


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


forget_stale(Path(__file__).parent)
need_cache(Path(__file__).parent)
