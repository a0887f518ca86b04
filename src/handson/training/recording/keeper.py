"""The keeper writes checkpoints of a running training: now and then, in the background, at least two generations.

A thread writes from a copy, so that training goes on. The older generation goes only after the newer one was read back
and found whole. When the disk is full the training goes on too, and the older generation stays.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from handson.core import regular
from handson.core.errors import HandsonError
from handson.files import atomic
from handson.training.recording import checkpoint
from handson.training.recording.checkpoint import Snapshot

# Two generations always stay: the newest may turn out to be damaged.
GENERATIONS = 2

# Writing takes at most this share of the time.
MOST_SHARE = 0.02

# At the end of an epoch a checkpoint is written when this share of the time between two has passed.
EPOCH_SHARE = 0.1
BEST = "best.json"
# Several times what it has.
MOST_BEST = 4096


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

    Attributes
    ----------
    infinite : set of str
        Weights that were not finite to begin with, such as masks; all others must be, or nothing is written.
    """

    def __init__(self, folder: Path, seconds: float, tell: Callable[[str], None]) -> None:
        self.folder, self.seconds, self.tell = folder, seconds, tell
        self.infinite: frozenset[str] = frozenset()
        self._last = time.monotonic()
        self._cost = 0.0
        self._thread: threading.Thread | None = None
        self._best: tuple[Snapshot, dict[str, Any]] | None = None
        self._trouble: str | None = None
        with checkpoint.naming(folder):
            atomic.disk.make_folder(folder)

    def is_due(self, share: float = 1.0) -> bool:
        """Whether it is time for a checkpoint, after a share of the time between two, and the last one is written."""
        busy = self._thread is not None and self._thread.is_alive()
        return not busy and time.monotonic() - self._last >= max(share * self.seconds, self._cost / MOST_SHARE)

    def remember_best(self, snapshot: Snapshot, monitor: str, value: float) -> None:
        """Keep the state of the best epoch so far in memory; it is written with the next checkpoint."""
        self._best = snapshot, {"checkpoint": snapshot.name, "monitor": monitor, "value": value}

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint in the background; the snapshot is a copy that training does not change."""
        self.wait()
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._write, args=(snapshot,), name="handson checkpoint")
        try:
            self._thread.start()
        except RuntimeError:  # no memory for another thread
            self._thread = None
            self._write(snapshot)

    def save_now(self, snapshot: Snapshot) -> bool:
        """Write a checkpoint and wait until it is there; whether that went well."""
        self.wait()
        self._write(snapshot)
        written = self._trouble is None
        self.wait()
        return written

    def wait(self) -> None:
        """Wait until what was begun is written; say what went wrong, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._trouble is not None:
            self.tell(self._trouble)
            self._trouble = None

    def _write(self, snapshot: Snapshot) -> None:
        started = time.thread_time()
        try:
            self._write_best()
            self._check_finite(snapshot)
            checkpoint.verify(checkpoint.write(self.folder, snapshot))
            self._drop_old()
        except Exception as error:  # whatever it is, the training is worth more than this checkpoint
            reason = (str(error) or type(error).__name__).removesuffix(".")
            self._trouble = (
                f"no checkpoint was written at step {snapshot.step}: {reason}. The checkpoint before it stays, and the "
                f"training goes on."
            )
        self._cost = time.thread_time() - started

    def _write_best(self) -> None:
        """Write the best epoch that is remembered, if there is one; it stays remembered when that fails."""
        best = self._best
        if best is None:
            return
        self._check_finite(best[0])
        checkpoint.verify(checkpoint.write(self.folder, best[0]))
        atomic.write_text(self.folder / BEST, json.dumps(best[1]))
        if self._best is best:
            self._best = None

    def _check_finite(self, snapshot: Snapshot) -> None:
        found = not_finite(snapshot.tensors) - self.infinite
        if found:
            raise Diverged(f"{min(found).removeprefix('weights/')} is not finite")

    def _drop_old(self) -> None:
        """Remove all but the newest generations and the best."""
        best = best_of(self.folder)
        for folder in checkpoint.generations(self.folder)[GENERATIONS:]:
            if best is None or folder.name != best["checkpoint"]:
                with suppress(OSError):  # it is tried again after the next checkpoint
                    checkpoint.remove(folder)


def not_finite(tensors: dict[str, Tensor]) -> set[str]:
    """The names of the weights that hold NaN or infinity."""
    return {
        name for name, tensor in tensors.items() if name.startswith("weights/") and not bool(tensor.isfinite().all())
    }


def best_of(folder: Path) -> dict[str, Any] | None:
    """What is known of the best epoch: its checkpoint, the quantity and its value; None if there is none."""
    try:
        best = json.loads(regular.read_bytes(folder / BEST, MOST_BEST, follow=False))
        if not checkpoint.NAME.fullmatch(best["checkpoint"]):
            return None
        return best if (folder / best["checkpoint"] / checkpoint.MANIFEST).is_file() else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
