"""Which learning rates suit a net: a short training whose rate grows with every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from handson.checks.copies import same_copy, some_rows
from handson.core import tree
from handson.core.errors import HandsonError, whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from handson.plots.style import PathLike

# The training ends when the loss is so many times the best one; the smoothing of the losses.
DIVERGED, SMOOTHING = 4.0, 0.8


@dataclass
class LrRange:
    """What `lr_range` found.

    Attributes
    ----------
    rates, losses : ndarray of float
        The learning rate of each step, and the loss of its rows before it.
    smooth : ndarray of float
        The losses, smoothed.
    steepest : float
        The rate at which the loss falls fastest.
    suggestion : float
        A tenth of the rate with the lowest loss: fast, and far enough from where it diverges.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    steepest: float
    suggestion: float

    def plot(self, path: PathLike | None = None) -> Figure:
        """Draw the loss over the learning rate, the suggestion marked."""
        from handson.plots import plot_lr_range

        return plot_lr_range(self.rates, self.losses, self.smooth, self.suggestion, path)


def lr_range(
    net: Any,
    x: Any,
    y: Any,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
) -> LrRange:
    """Train a copy with a learning rate that grows from step to step (Smith, 2017), and see where the loss falls.

    The net, its optimizer, its seed and the position of the data stay as they are.

    Parameters
    ----------
    net : Model or function
        A compiled net, or a function that builds and compiles one. The copy begins with the weights that the net has.
    x, y : arrays
        Rows, as for `fit`.
    low, high : float
        The first and the last rate; in between they grow by the same factor in every step.
    steps : int
        How many steps; fewer where the loss is several times the best one.
    batch_size : int
        Rows in a step.
    seed : int
        Of the order of the rows, and of the weights of a net that has none yet.

    Returns
    -------
    LrRange
        With `suggestion`, and `plot`.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense
    >>> net = Sequential([Dense(32, activation="relu"), Dense(1)], seed=0)
    >>> net.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> 1e-3 < lr_range(net, x, x.sum(1)).suggestion < 0.3
    True
    """
    if not 0 < low < high:
        raise HandsonError(f"lr_range: rates grow from low to high, both positive; got {low} and {high}.")
    steps, batch_size = whole("lr_range: steps", steps, 5), whole("lr_range: batch_size", batch_size, 1)
    copy = same_copy(net, seed)
    all_x, all_y = some_rows(x, y, steps * batch_size, seed)
    count = len(tree.leaves(all_x)[0])
    copy.fit(all_x, all_y, epochs=0, verbose=0)
    rates, losses = np.geomspace(low, high, steps), []
    for step, rate in enumerate(rates):
        first = step * batch_size % max(count - batch_size + 1, 1)
        part = slice(first, first + batch_size)
        copy.optimizer.learning_rate = float(rate)
        batch = tree.map_leaves(itemgetter(part), (all_x, all_y))
        losses.append(float(copy.train_on_batch(*batch, return_dict=True)["loss"]))
        if not math.isfinite(losses[-1]) or (losses[-1] > DIVERGED * max(min(losses), 1e-30) and step > steps // 10):
            break
    return _found(rates[: len(losses)], np.array(losses))


def _found(rates: np.ndarray, losses: np.ndarray) -> LrRange:
    smooth, running, weight = np.empty(len(losses)), 0.0, 0.0
    for step, loss in enumerate(losses):
        running, weight = SMOOTHING * running + (1 - SMOOTHING) * loss, SMOOTHING * weight + 1 - SMOOTHING
        smooth[step] = running / weight
    finite = np.flatnonzero(np.isfinite(smooth))
    if len(finite) < 3:
        raise HandsonError("lr_range: the loss is NaN from the first steps on: begin with a lower rate, low=1e-9.")
    lowest = int(finite[np.argmin(smooth[finite])])
    slopes = np.gradient(smooth[finite], np.log(rates[finite]))[: lowest + 1]
    steepest = rates[finite][int(np.argmin(slopes))] if len(slopes) else rates[lowest]
    return LrRange(rates, losses, smooth, float(steepest), float(rates[lowest] / 10))
