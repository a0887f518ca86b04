"""Callbacks that write files: the model, and a table of the history."""

from __future__ import annotations

import csv
import errno
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from handson.callbacks.base import Callback, Logs, Monitoring
from handson.callbacks.path_template import PathTemplate
from handson.core import console, regular
from handson.core.errors import HandsonError
from handson.core.registry import register
from handson.files import atomic, holds_weights, strict_json

# What a disk says that is full, over its quota, or broken, and a pipe whose reader went away.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)


def tell_full(callback: Callback, error: OSError) -> None:
    """Say that a file could not be written; raise what the user can mend at once, such as a folder without access."""
    if error.errno not in FULL:
        raise error
    reason = str(error.strerror or error).removesuffix(".")
    console.say(f"{type(callback).__name__}: {reason}. The training goes on.")


@register
class ModelCheckpoint(Monitoring):
    """Saves the model after every epoch, or whenever a quantity is better than ever.

    Parameters
    ----------
    filepath : str or path
        Where. It may contain names in braces, as in 'net-{epoch:02d}-{val_loss:.3f}.handson' (epochs from 1). A name
        that ends in '.weights.h5' or '.safetensors' gets the weights; '.handson', '.keras' or '.h5' the whole model.
    monitor : str
        A key of the history.
    verbose : int
        1 prints what is saved and why.
    save_best_only : bool
        Save only when the quantity improved.
    save_weights_only : bool
        Save the weights, under a name that ends in '.h5' or '.safetensors'.
    mode : {'auto', 'min', 'max'}
        Which way is better.
    save_freq : 'epoch' or int
        After every epoch, or after so many steps.
    initial_value_threshold : float, optional
        The value that must be beaten first.

    Examples
    --------
    >>> ModelCheckpoint("weights.h5", save_best_only=True).monitor
    'val_loss'
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        from handson.files import check_suffix

        self.filepath = os.fspath(filepath)
        check_suffix(self.filepath)
        self._template = PathTemplate(self.filepath)
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise HandsonError(f"ModelCheckpoint: save_freq is 'epoch' or a number of steps; got {save_freq!r}.")
        if save_freq != "epoch" and save_best_only:
            raise HandsonError("ModelCheckpoint: save_best_only compares epochs; leave out save_freq.")
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        self._epoch = 0

    @property
    def step_interval(self) -> int | None:
        return self.save_freq if isinstance(self.save_freq, int) else None

    @property
    def _weights_only(self) -> bool:
        return self.save_weights_only or holds_weights(self.filepath)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only:
            self.resolve()
        if not self._weights_only and not self.filepath.endswith(".handson"):
            from handson.files.keras_writing import check_alike

            check_alike(self.model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._save(self._epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.save_freq != "epoch":
            return
        if self.save_best_only:
            value = logs.get(self.watched)
            if value is None:
                return
            before = "" if self.best is None else f" from {self.best:.5g}"
            if not self.improved(value, self.best):
                self._say(epoch, f"{self.watched} did not improve{before}: {value:.5g}.")
                return
            self._say(epoch, f"{self.watched} improved{before} to {value:.5g}.")
            if self._save(epoch, logs):
                self.best = value
        else:
            self._save(epoch, logs)

    def _say(self, epoch: int, text: str) -> None:
        if self.verbose:
            console.say(f"ModelCheckpoint: epoch {epoch + 1}: {text}")

    def _save(self, epoch: int, logs: Logs) -> bool:
        """Save; False, with a message, when the disk is full."""
        path = Path(self._template.fill({"epoch": epoch + 1} | logs))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._weights_only:
                self.model.save_weights(path)
            else:
                self.model.save(path)
        except OSError as error:
            tell_full(self, error)
            return False
        self._say(epoch, f"saved as {path}.")
        return True


@register
class CSVLogger(Callback):
    """Writes the history as a table, one line after each epoch.

    Parameters
    ----------
    filename : str or path
        Where.
    separator : str
        Between the columns.
    append : bool
        Go on with the file that is there.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise HandsonError(f"CSVLogger: separator is one character, such as ',' or ';'; got {separator!r}.")
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._lines: list[list[Any]] = []
        self._behind = False
        # A pipe or a device is opened once: its reader would take the end of a line for the end of all.
        self._stream: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        path, self._lines = Path(self.filename), []
        path.parent.mkdir(parents=True, exist_ok=True)
        if atomic.is_special(path):
            self._stream = path.open("w", newline="")
            return
        if self.append and path.exists():
            text = regular.read_bytes(path, strict_json.MOST_BYTES).decode()
            self._lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=self.separator))
        self._rewrite()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row: dict[str, Any] = {"epoch": epoch} | (logs or {})
        new = [] if self._lines else [list(row)]
        columns = self._lines[0] if self._lines else new[0]
        added = [name for name in row if name not in columns]
        new.append([row.get(column, "NA") for column in [*columns, *added]])
        self._lines = (
            [[*columns, *added], *([*line, *["NA"] * len(added)] for line in self._lines[1:])] if added else self._lines
        )
        self._lines += new
        if (self._behind or added) and self._stream is None:
            self._rewrite()
            return
        try:
            if self._stream is not None:
                self._pour(new)
                return
            with Path(self.filename).open("a", newline="") as file:
                csv.writer(file, delimiter=self.separator).writerows(new)
        except OSError as error:
            self._behind = True
            tell_full(self, error)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._stream is not None:
            with suppress(OSError):  # told before
                self._stream.close()
            self._stream = None

    def _pour(self, lines: list[list[Any]]) -> None:
        """Add lines to a pipe or a device; once its reader has gone, no more are written."""
        if self._behind:
            return
        csv.writer(self._stream, delimiter=self.separator).writerows(lines)
        self._stream.flush()

    def _rewrite(self) -> None:
        if self._stream is not None:
            return

        def fill(place: Path) -> None:
            with place.open("w", newline="") as file:
                csv.writer(file, delimiter=self.separator).writerows(self._lines)

        try:
            atomic.write(self.filename, fill)
            self._behind = False
        except OSError as error:
            self._behind = True
            tell_full(self, error)

    def state(self) -> dict[str, Any]:
        return {"lines": list(self._lines)}

    def set_state(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self._lines = state["lines"]
        self._rewrite()
