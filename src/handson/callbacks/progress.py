"""Progress: a table with one line per epoch, and on a terminal a bar for the epoch at hand."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from handson.callbacks.base import Callback, Logs
from handson.core import console
from handson.core.errors import HandsonError
from handson.core.registry import register

# What the training loss is: measured with dropout and while the weights change, so not comparable to val_loss.
LABELS = {"loss": "loss (during the epoch)"}


@register
class Progress(Callback):
    """Shows how a training goes. `fit` adds one; `verbose` decides what it shows.

    Parameters
    ----------
    verbose : {'auto', 0, 1, 2}
        0: nothing. 1: a line for each epoch and a moving bar. 2: a line for each epoch. 'auto': 1 on a terminal, 2
        elsewhere.
    """

    looks: ClassVar[bool] = False

    def __init__(self, verbose: Any = "auto") -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise HandsonError(f"verbose is 'auto', 0, 1 or 2; got {verbose!r}.")
        self.verbose = (1 if console.is_terminal() else 2) if verbose == "auto" else int(verbose)
        self.__dict__["looks"] = self.verbose == 1
        self._columns: list[str] = []
        self._best: dict[str, float] = {}
        self._bar: Any = None

    @property
    def sees_epochs(self) -> bool:
        return self.verbose > 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._columns, self._best = [], {}
        if self.verbose == 1:
            self._bar = _bar()
            self._bar.start()
            console.redirect(self._bar.console)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing, also after an error."""
        if self._bar is not None:
            console.redirect(None)
            self._bar.stop()
            self._bar = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._started = time.perf_counter()
        if self._bar is not None:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._task = self._bar.add_task(f"epoch {self._title(epoch)}", total=self.params["steps"], shown="")

    def on_look(self, step: int, logs: Logs) -> None:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in logs.items())
        self._bar.update(self._task, completed=step, shown=shown)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.verbose:
            return
        logs = logs or {}
        if not self._columns:
            self._columns = list(logs)
            header = "  ".join(f"{LABELS.get(name, name):>{_width(name)}}" for name in self._columns)
            console.say(f"{'epoch':>9}  {header}  seconds")
        cells = "  ".join(f"{self._cell(name, logs):>{_width(name)}}" for name in self._columns)
        seconds = time.perf_counter() - self._started
        console.say(f"{self._title(epoch):>9}  {cells}  {seconds:7.2f}")

    def _title(self, epoch: int) -> str:
        return f"{epoch + 1}/{self.params['epochs']}"

    def _cell(self, name: str, logs: Logs) -> str:
        value = logs.get(name)
        if value is None:
            return "-"
        better = name == "val_loss" and value < self._best.get(name, float("inf"))
        if better:
            self._best[name] = value
        return f"{value:.5g}" + ("*" if better else " " if name == "val_loss" else "")


def _width(name: str) -> int:
    return max(len(LABELS.get(name, name)), 9)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[shown]}"), transient=True, refresh_per_second=10,
        console=Console(file=console.output),
    )  # fmt: skip
