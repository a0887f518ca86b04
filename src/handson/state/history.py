"""The history of a training: what was measured in every epoch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History:
    """Losses and metrics by epoch, as `fit` returns them.

    Attributes
    ----------
    history : dict of str to list of float
        One list for each quantity: 'loss' and the metrics are means over the training rows **during the epoch** (with
        dropout, while the weights change); 'val_...' are means over the validation rows after the epoch; 'train_...'
        are means over the training rows in evaluation mode, if asked for.
    epoch : list of int
        The epochs, from 0.
    params : dict
        What `fit` was called with: epochs, steps, batch size.
    seed : int
        The seed of the run: `fit(..., seed=history.seed)` repeats it.
    seconds : float
        How long the training lasted; of a run that was stopped and resumed, all parts together.
    notes : list of str
        What was decided on the user's behalf, such as how the rows were split.
    journal : Journal, optional
        What `fit(monitor=True)` saw inside the net: see `handson.monitoring`.

    Examples
    --------
    >>> history = History()
    >>> history.append(0, {"loss": 1.0, "val_loss": 2.0}); history.append(1, {"loss": 0.5, "val_loss": 3.0})
    >>> history.best()
    (0, 'val_loss', 2.0)
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params: dict[str, Any] = {}
        self.seed: int | None = None
        self.notes: list[str] = []
        self.seconds = 0.0
        self.journal: Any = None

    def append(self, epoch: int, logs: dict[str, float]) -> None:
        """Add an epoch. A quantity that is measured only in some epochs is NaN in the others."""
        for name in logs:
            self.history.setdefault(name, [float("nan")] * len(self.epoch))
        self.epoch.append(epoch)
        for name, values in self.history.items():
            values.append(float(logs.get(name, float("nan"))))

    def best(self, monitor: str | None = None, direction: str = "min") -> tuple[int, str, float] | None:
        """The epoch in which a quantity was best (by default the validation loss), its name and value."""
        name = monitor or ("val_loss" if "val_loss" in self.history else "loss")
        nan = float("nan")
        values = [
            (value, epoch)
            for value, epoch in zip(self.history.get(name, [nan] * len(self.epoch)), self.epoch, strict=True)
            if value == value
        ]
        if not values:
            return None
        value, epoch = min(values) if direction == "min" else max(values, key=lambda pair: (pair[0], -pair[1]))
        return epoch, name, value

    def to_json(self) -> dict[str, Any]:
        """A copy of the history for a JSON file; what was not measured is NaN."""
        values = {name: list(measured) for name, measured in self.history.items()}
        return {
            "history": values,
            "epoch": list(self.epoch),
            "params": dict(self.params),
            "seed": self.seed,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def take(self, stored: dict[str, Any]) -> History:
        """Take up what `to_json` gave, NaN or null where nothing was measured; returns itself."""
        nan = float("nan")
        self.history = {
            name: [nan if value is None else value for value in values] for name, values in stored["history"].items()
        }
        self.epoch, self.params, self.seed = list(stored["epoch"]), stored["params"], stored["seed"]
        self.notes, self.seconds = list(stored["notes"]), stored["seconds"]
        return self

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw training and validation curves, the best epoch marked; see `handson.plots.plot_history`."""
        from handson.plots import plot_history

        return plot_history(self, path)

    def __repr__(self) -> str:
        best = self.best()
        shown = f", best {best[1]} {best[2]:.4g} in epoch {best[0] + 1}" if best else ""
        return f"History({len(self.epoch)} epochs{shown})"
