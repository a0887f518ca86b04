"""Conformal prediction: intervals that hold the target as often as they say, whatever the net."""

from __future__ import annotations

from typing import Any

import numpy as np

from handson.core.errors import HandsonError

# The least spread that errors are divided by.
LEAST = float(np.finfo(np.float32).tiny)


class Conformal:
    """Intervals around the predictions of a net or an ensemble, as wide as its errors on some rows were.

    Where targets and rows are drawn as those it was calibrated on, an interval holds the target with probability
    `level`, or a little more, also when the net is wrong about its spread. If it predicts one, intervals are wide where
    that is large. See Lei et al. (2018), sections 2.2 and 5.2.

    Parameters
    ----------
    net : Model or Ensemble
        Trained on other rows, with one output.
    x, y
        Rows to calibrate on; a missing target is NaN.
    spread : bool or 'dropout'
        As in `Model.predict`; False for intervals that are equally wide everywhere.

    Attributes
    ----------
    scores : ndarray, shape (n, columns)
        The errors on these rows, in units of the spread if there is one; increasing, NaN at the end.

    Examples
    --------
    >>> from handson import Sequential
    >>> from handson.layers import Dense, GaussianDensity
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 1)).astype("float32")
    >>> y = x + rng.normal(size=x.shape)
    >>> net = Sequential([Dense(8, activation="relu"), GaussianDensity()], seed=0)
    >>> net.compile("adam", "nll")
    >>> history = net.fit(x[:100], y[:100], verbose=0)
    >>> low, high = Conformal(net, x[100:200], y[100:200]).predict(x[200:], level=0.9)
    >>> bool(((y[200:] > low) & (y[200:] < high)).mean() > 0.8)
    True
    """

    def __init__(self, net: Any, x: Any, y: Any, spread: bool | str = True) -> None:
        self.net, self.spread = net, spread
        mean, scale = self._predict(x)
        targets = np.asarray(y, dtype=np.float64)
        if targets.size != mean.size or len(targets) != len(mean):
            raise HandsonError(f"Conformal: targets have the shape {targets.shape}; the net predicts {mean.shape}.")
        self.scores = np.sort(np.abs(targets.reshape(mean.shape) - mean) / scale, axis=0)

    def _predict(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        if self.spread:
            mean, scale = self.net.predict(x, spread=self.spread)
        else:
            mean = self.net.predict(x)
            scale = np.ones_like(mean)
        if not isinstance(mean, np.ndarray):
            raise HandsonError("Conformal takes a net with one output.")
        # A spread of 0, such as that of members that agree, would leave no width to an interval.
        return mean.astype(np.float64), np.maximum(scale.astype(np.float64), LEAST)

    def predict(self, x: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper ends of the intervals.

        Parameters
        ----------
        x : array
            Inputs.
        level : float
            The probability with which an interval holds its target.

        Raises
        ------
        HandsonError
            When there were too few rows for such a level.
        """
        if not 0 < level < 1:
            raise HandsonError(f"Conformal: level lies between 0 and 1; got {level!r}.")
        rows = np.isfinite(self.scores).sum(0)
        places = np.ceil(np.round((rows + 1) * level, 9)).astype(int)
        if (places > rows).any():
            needed = int(np.ceil(np.round(level / (1 - level), 9)))
            raise HandsonError(f"intervals of level {level:g} need {needed} rows to calibrate on; got {rows.min()}.")
        mean, scale = self._predict(x)
        reach = scale * np.take_along_axis(self.scores, places[None] - 1, 0)
        return mean - reach, mean + reach
