"""Quantiles of numbers that come in batches, by Keras's summaries of them."""

from __future__ import annotations

import numpy as np


class Quantiles:
    """A summary of numbers, in values and their weights, that stays small; quantiles are off by about `epsilon`.

    The values and the weights are exactly Keras's, so that boundaries are.

    Examples
    --------
    >>> quantiles = Quantiles(0.01)
    >>> quantiles.add(np.arange(100, dtype=np.float32))
    >>> round(quantiles.boundaries(2)[0])
    49
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon
        self.summary = np.zeros((2, 0), np.float32)

    def add(self, values: np.ndarray) -> None:
        """Take in numbers; NaN is none."""
        values = np.sort(values[~np.isnan(values)])
        step = max(values.size * self.epsilon, 1)
        picked = values[int(step - 1) :: int(step)]
        new = np.stack([picked, np.ones_like(picked) * np.float32(step)])
        both = np.concatenate((new, self.summary), axis=1)
        self.summary = _compressed(both[:, np.argsort(both[0])], self.epsilon)

    def boundaries(self, bins: int) -> list[float]:
        """The inner boundaries of bins of equal weight."""
        return _compressed(self.summary, 1.0 / bins)[0, :-1].tolist() if self.summary.shape[1] else []


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary of about 1 / epsilon values, interpolated between the cumulated weights."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    total = summary[1].cumsum()
    known = total / total[-1]
    values, totals = np.interp(shares, known, summary[0]), np.interp(shares, known, total)
    return np.stack((values, totals - np.concatenate(([0], totals[:-1])))).astype("float32")
