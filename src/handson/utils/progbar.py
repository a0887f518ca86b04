"""A progress bar for training loops of one's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np


class Progbar:
    """A line that says how far a loop has come, and what values are.

    Parameters
    ----------
    target : int, optional
        How many steps there will be; None if that is not known.
    width : int
        The bar's width.
    verbose : int
        0 for nothing, 1 for a bar, 2 for one line at the end.
    interval : float
        The least seconds between two updates of the bar.
    stateful_metrics : iterable of str, optional
        Values that are shown as they are; all others as means over steps.
    stateless_metrics : iterable of str, optional
        The only values that are shown as means.
    unit_name : str
        What is counted.

    Examples
    --------
    >>> bar = Progbar(2, verbose=2)
    >>> bar.update(1, [("loss", 1.0)])
    >>> bar.update(2, [("loss", 0.5)])
    2/2 - ...s - ... - loss: 0.7500
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar takes stateful_metrics or stateless_metrics, not both.")
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.unit_name = unit_name
        self._shown = set(stateful_metrics or ())
        self._averaged = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, list[float]] = {}
        self._seen = 0
        self._start, self._last, self._long = time.monotonic(), 0.0, 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Be at a step.

        Parameters
        ----------
        current : int
            How many steps are done.
        values : iterable of (name, value), optional
            What to show beside.
        finalize : bool, optional
            Whether this is the last update; by default at `target`.
        """
        for name, value in values or ():
            number, steps = float(np.mean(_plain(value))), max(current - self._seen, 1)
            averaged = name not in self._shown if self._averaged is None else name in self._averaged
            total = self._sums.setdefault(name, [0.0, 0.0])
            total[:] = [total[0] + number * steps, total[1] + steps] if averaged else [number, 1.0]
        self._seen = current
        last = finalize if finalize is not None else self.target is not None and current >= self.target
        now = time.monotonic()
        if self.verbose == 1 and (last or now - self._last >= self.interval):
            self._last = now
            self._write(f"\r{self._line(now)}", "\n" if last else "")
        elif self.verbose == 2 and last:
            self._write(self._line(now), "\n")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Be some steps farther."""
        self.update(self._seen + n, values)

    def _line(self, now: float) -> str:
        spent = now - self._start
        count = f"{self._seen}/{self.target if self.target is not None else 'Unknown'}"
        if self.verbose == 1 and self.target:
            done = int(self.width * min(self._seen / self.target, 1))
            count += f" {'━' * done}{'╌' * (self.width - done)}"
        parts = [count, f"{spent:.0f}s", _per_unit(spent / max(self._seen, 1), self.unit_name)]
        for name, (total, steps) in self._sums.items():
            mean = total / max(steps, 1)
            parts.append(f"{name}: {mean:.4f}" if abs(mean) > 1e-3 else f"{name}: {mean:.4e}")
        return " - ".join(parts)

    def _write(self, text: str, end: str) -> None:
        sys.stdout.write(text.ljust(self._long) + end)
        sys.stdout.flush()
        self._long = 0 if end else len(text)


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _per_unit(seconds: float, unit: str) -> str:
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.0f}{name}/{unit}"
    return f"0us/{unit}"
