"""Handlers: any callable of (net, train_history); one that raises StopIteration ends the training."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from handson.core import console
from handson.core.errors import HandsonError, nearest, whole
from handson.nolearn.layer_info import describe
from handson.nolearn.table import table


class PrintLog:
    """Prints a line for each epoch; a star marks the best loss so far."""

    def __init__(self) -> None:
        self.first_iteration = True

    def __call__(self, nn: Any, train_history: list[dict[str, Any]]) -> None:
        lines = self.lines(nn, train_history[-1])
        for line in lines if self.first_iteration else lines[2:]:
            console.say(line)
        self.first_iteration = False

    def lines(self, nn: Any, info: dict[str, Any]) -> list[str]:
        """The heading, a rule, and the line of an epoch."""
        cells: dict[str, Any] = {"epoch": str(info["epoch"]).rjust(5)}
        for name, key in {"trn loss": "train_loss", "val loss": "valid_loss"}.items():
            cells[name] = f"{info[key]:.5f}{'*' if info[f'{key}_best'] else ' '}"
        cells["trn/val"] = f"{info['train_loss'] / info['valid_loss']:.5f}" if info["valid_loss"] else "nan"
        if not nn.regression:
            cells["valid acc"] = f"{info['valid_accuracy']:.5f}"
        cells |= {name: f"{info[name]:.5f}" for name in nn.score_names() if name in info}
        cells["dur"] = f"{info['dur']:.2f}s"
        return table(list(cells), [[cell.rjust(8) for cell in cells.values()]])


class PrintLayerInfo:
    """Prints the layers, their sizes, and of convolutional nets capacity and coverage, when the training starts."""

    def __call__(self, nn: Any, train_history: Any = None) -> None:
        if train_history:
            return
        for line in describe(nn, detailed=int(nn.verbose) > 1):
            console.say(line)
        console.say("")


class SaveWeights:
    """Saves the weights into a file.

    Parameters
    ----------
    path : str
        The file, in which {epoch} and {timestamp} are replaced; it is a safetensors file.
    every_n_epochs : int
        How often.
    only_best : bool
        Only after epochs with the best 'valid_loss' so far.
    verbose : int
        Whether it says so.
    """

    def __init__(
        self, path: str, every_n_epochs: int = 1, only_best: bool = False, pickle: bool = False, verbose: int = 0
    ) -> None:
        if pickle:
            raise HandsonError("SaveWeights: pickle=True is not there: a file of weights holds arrays and no code.")
        self.path, self.only_best, self.verbose = path, only_best, verbose
        self.every_n_epochs = whole("every_n_epochs", every_n_epochs, 1)

    def __call__(self, nn: Any, train_history: list[dict[str, Any]]) -> None:
        info = train_history[-1]
        due = info["epoch"] % self.every_n_epochs == 0
        if not due or (self.only_best and not info["valid_loss_best"]):
            return
        path = self.path.format(epoch=f"{info['epoch']:04d}", timestamp=datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
        nn.save_params_to(path)
        if self.verbose:
            console.say(f"Saved the weights of epoch {info['epoch']} to {path}.")


class RememberBestWeights:
    """Keeps the weights of the epoch with the smallest value of a key of the history.

    Parameters
    ----------
    key : str
        What is watched.
    verbose : int
        Whether it says so.
    """

    def __init__(self, key: str = "valid_loss", verbose: int = 0) -> None:
        self.key, self.verbose = key, verbose
        self.best_weights: Any = None
        self.best_weights_loss, self.best_weights_epoch = np.inf, 0

    def __call__(self, nn: Any, train_history: list[dict[str, Any]]) -> None:
        info = train_history[-1]
        if self.key not in info:
            raise HandsonError(f"RememberBestWeights: no {self.key!r} in the history.{nearest(self.key, info)}")
        if info[self.key] < self.best_weights_loss:
            self.best_weights_loss, self.best_weights_epoch = info[self.key], info["epoch"]
            self.best_weights = nn.get_all_params_values()

    def restore(self, nn: Any, train_history: Any) -> None:
        """Give the net the weights that are kept."""
        if self.best_weights is None:
            return
        nn.load_params_from(self.best_weights)
        if self.verbose:
            console.say(f"Loaded the best weights, of epoch {self.best_weights_epoch}: {self.best_weights_loss:.5f}.")


class RestoreBestWeights:
    """Gives the net the weights that a `RememberBestWeights` keeps; for `on_training_finished`."""

    def __init__(self, remember: RememberBestWeights) -> None:
        self.remember = remember

    def __call__(self, nn: Any, train_history: Any) -> None:
        self.remember.restore(nn, train_history)


class WeightLog:
    """Logs how the values of each parameter are spread.

    Parameters
    ----------
    save_to : str, optional
        A CSV file.
    write_every : int
        After how many epochs it is written.

    Attributes
    ----------
    history : list of dict
        One for each epoch, with keys such as 'conv1_0 wstd'; 'wdiff' is the mean change since the epoch before.
    """

    def __init__(self, save_to: str | None = None, write_every: int = 8) -> None:
        self.save_to, self.write_every = save_to, whole("write_every", write_every, 1)
        self.history: list[dict[str, float]] = []
        self.last_weights: Any = None

    def __call__(self, nn: Any, train_history: list[dict[str, Any]]) -> None:
        weights = nn.get_all_params_values()
        entry: dict[str, float] = {}
        for name, values in weights.items():
            for number, value in enumerate(values):
                before = value if self.last_weights is None else self.last_weights[name][number]
                entry |= {f"{name}_{number} {what}": one for what, one in _spread(value, before).items()}
        self.last_weights = weights
        self.history.append(entry)
        if self.save_to is not None and len(self.history) % self.write_every == 0:
            self._write(Path(self.save_to))

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.history[0]))
            writer.writeheader()
            writer.writerows(self.history)


def _spread(value: Any, before: Any) -> dict[str, float]:
    return {
        "wdiff": float(np.abs(value - before).mean()), "wabsmean": float(np.abs(value).mean()),
        "wmean": float(value.mean()), "wstd": float(value.std()),
        "wmin": float(value.min()), "wmax": float(value.max()),
    }  # fmt: skip
