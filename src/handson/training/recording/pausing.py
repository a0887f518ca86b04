"""Pausing: a run that stops after some epoch, and waits until somebody decides how far it goes on.

The epoch is in a file of the run folder. What a paused run goes on with is what it would have had without the pause,
bit for bit: its schedules span all of its epochs from the beginning.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from handson.core import regular
from handson.core.errors import HandsonError
from handson.files import atomic, strict_json

if TYPE_CHECKING:
    from handson.state.history import History

PAUSE = "pause.json"
MOST_BYTES = 1 << 10


class Paused(HandsonError):
    """A run was paused, and everything is saved.

    Parameters
    ----------
    folder : Path
        The run folder.
    epoch : int
        After how many epochs.
    history : History
        What was measured so far.
    """

    def __init__(self, folder: Path, epoch: int, history: History) -> None:
        super().__init__(
            f"{folder} is paused after epoch {epoch}, as its {PAUSE} says; everything is saved. It goes on when the "
            f"search that it belongs to wants it, or without that file: handson resume {folder}."
        )
        self.history = history


def pause_of(folder: Path) -> int | None:
    """After how many epochs a run pauses; None for one that does not."""
    path = folder / PAUSE
    if not path.is_file():
        return None
    found = strict_json.loads(regular.read_bytes(path, MOST_BYTES))
    after = found.get("after") if isinstance(found, dict) else None
    if not isinstance(after, int) or isinstance(after, bool) or after < 1:
        raise HandsonError(f"{path} is damaged: 'after' is the epoch after which the run pauses; got {after!r}.")
    return after


def set_pause(folder: Path, after: int | None) -> None:
    """Let a run pause after so many epochs; None: never."""
    if after == pause_of(folder):
        return
    if after is None:
        atomic.disk.remove(folder / PAUSE)
    else:
        atomic.write_text(folder / PAUSE, json.dumps({"after": after}))
