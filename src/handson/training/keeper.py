"""The keeper writes checkpoints of a running training: now and then, in the background, at least two generations.

A thread writes from a copy, so that training goes on. The older generation goes only after the newer one was read back
and found whole. When the disk is full the training goes on too, and the older generation stays.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handson.errors import HandsonError
from handson.files import atomic
from handson.training import checkpoint
from handson.training.checkpoint import DamagedCheckpoint, Snapshot

# Two generations always stay: the newest may turn out to be damaged.
GENERATIONS = 2

# Writing takes at most this share of the time.
MOST_SHARE = 0.02
BEST = "best.json"


class Diverged(HandsonError):
    """Weights that are not finite are not worth keeping."""


class Keeper:
    """Writes checkpoints into a folder.

    Parameters
    ----------
    folder : Path
        The folder of checkpoints.
    seconds : float
        How often; less often where writing would take more than `MOST_SHARE` of the time.
    tell : function of str
        Prints what went wrong.
    """

    def __init__(self, folder: Path, seconds: float, tell: Callable[[str], None]) -> None:
        self.folder, self.seconds, self.tell = folder, seconds, tell
        self._last = time.monotonic()
        self._cost = 0.0
        self._thread: threading.Thread | None = None
        self._best: tuple[Snapshot, dict[str, Any]] | None = None
        self._trouble: str | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint, and the last one is written."""
        busy = self._thread is not None and self._thread.is_alive()
        return not busy and time.monotonic() - self._last >= max(self.seconds, self._cost / MOST_SHARE)

    def remember_best(self, snapshot: Snapshot, monitor: str, value: float) -> None:
        """Keep the state of the best epoch so far in memory; it is written with the next checkpoint."""
        self._best = snapshot, {"checkpoint": snapshot.name, "monitor": monitor, "value": value}

    def save(self, snapshot: Snapshot, wait: bool = False) -> None:
        """Write a checkpoint, in the background unless `wait`."""
        self.wait()
        self._last = time.monotonic()
        best, self._best = self._best, None
        self._thread = threading.Thread(target=self._write, args=(snapshot, best), name="handson checkpoint")
        self._thread.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until what was begun is written; say what went wrong, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._trouble is not None:
            self.tell(self._trouble)
            self._trouble = None

    def _write(self, snapshot: Snapshot, best: tuple[Snapshot, dict[str, Any]] | None) -> None:
        started = time.thread_time()
        try:
            _check_finite(snapshot)
            if best is not None:
                checkpoint.verify(checkpoint.write(self.folder, best[0]))
                atomic.write_text(self.folder / BEST, json.dumps(best[1]))
            checkpoint.verify(checkpoint.write(self.folder, snapshot))
            self._drop_old()
        except (OSError, MemoryError, DamagedCheckpoint, Diverged) as error:
            self._trouble = (
                f"no checkpoint was written at step {snapshot.step}: {error}. The training goes on; the checkpoint "
                f"before it stays."
            )
        self._cost = time.thread_time() - started

    def _drop_old(self) -> None:
        """Remove all but the newest generations and the best."""
        best = best_of(self.folder)
        for folder in checkpoint.generations(self.folder)[GENERATIONS:]:
            if best is None or folder.name != best["checkpoint"]:
                checkpoint.remove(folder)


def _check_finite(snapshot: Snapshot) -> None:
    for name, tensor in snapshot.tensors.items():
        if name.startswith("weights/") and not bool(tensor.isfinite().all()):
            raise Diverged(f"{name.removeprefix('weights/')} is not finite")


def best_of(folder: Path) -> dict[str, Any] | None:
    """What is known of the best epoch: its checkpoint, the quantity and its value; None if there is none."""
    try:
        best = json.loads((folder / BEST).read_bytes())
        return best if isinstance(best, dict) and isinstance(best.get("checkpoint"), str) else None
    except (OSError, ValueError):
        return None
