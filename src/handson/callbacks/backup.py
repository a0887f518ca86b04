"""Callbacks of Keras that ask for what a training here does by itself: recording, and evaluating averaged weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from handson.callbacks.base import Callback, TrainedModel
from handson.core.errors import HandsonError
from handson.core.registry import register


@register
class BackupAndRestore(Callback):
    """Records the training in a folder, so that the same call goes on where it was stopped: ``fit(run=backup_dir)``.

    More than Keras's comes back: the place inside an epoch, the order of the rows, dropout, the optimizer and the other
    callbacks, with the same numbers, bit for bit.

    Parameters
    ----------
    backup_dir : str or path
        The folder.
    save_freq : 'epoch' or int
        There for code of Keras: the state is saved every `checkpoint_seconds` of `fit`, and when it is stopped.
    double_checkpoint : bool
        There for code of Keras: the last complete state is always kept beside the one that is written.
    delete_checkpoint : bool
        Whether the folder is deleted once the training has come to its end.

    Examples
    --------
    >>> BackupAndRestore("backup").backup_dir
    'backup'
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise HandsonError(f"BackupAndRestore: save_freq is 'epoch' or a number of batches; got {save_freq!r}.")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._ended = False

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._ended = False

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._ended = True

    def leave(self) -> None:
        """After the training, when nothing holds the folder any more."""
        folder = Path(self.backup_dir)
        if self._ended and self.delete_checkpoint and (folder / "run.json").is_file() and not folder.is_symlink():
            shutil.rmtree(folder)


@register
class SwapEMAWeights(Callback):
    """Evaluates with averaged weights, as every training here does whose optimizer keeps them (``use_ema=True``).

    Parameters
    ----------
    swap_on_epoch : bool
        There for code of Keras: validation, callbacks at the end of an epoch, and files saved there have the averaged
        weights in any case.

    Examples
    --------
    >>> SwapEMAWeights(swap_on_epoch=True).swap_on_epoch
    True
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch

    def set_model(self, model: TrainedModel) -> None:
        super().set_model(model)
        if not model.optimizer.use_ema:
            raise HandsonError(
                f"SwapEMAWeights needs an optimizer that averages the weights: "
                f"{type(model.optimizer).__name__}(use_ema=True)."
            )
