"""Rows as a net takes them: arrays in memory, or sparse ones that are made dense batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handson.core import tree
from handson.data.rows.scaling import Scaling
from handson.randomness.keys import derive, permutation

# Rows that are predicted together: always so many, so that the outputs of a row do not depend on its neighbours, as
# products of matrices of one form round alike.
BLOCK = 64
# The most values of a sparse array that are dense at the same time: a quarter of a gibibyte.
MOST_DENSE = 1 << 26


@dataclass
class Rows:
    """Inputs, encoded targets and weights of some rows.

    Parameters
    ----------
    x : ndarray or sparse array
        Inputs.
    codes : ndarray
        Targets.
    weights : ndarray, optional
        None where all weigh the same.
    """

    x: Any
    codes: np.ndarray
    weights: np.ndarray | None

    def __post_init__(self) -> None:
        if self.weights is not None and (self.weights == self.weights[0]).all():
            self.weights = None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the inputs."""
        return tuple(self.x.shape)

    @property
    def streams(self) -> bool:
        """Whether the inputs are sparse, and too many to be dense all at once."""
        return is_sparse(self.x) and int(np.prod(self.shape)) > MOST_DENSE

    def take(self, rows: np.ndarray) -> Rows:
        """Some of these rows."""
        return Rows(self.x[rows], self.codes[rows], None if self.weights is None else self.weights[rows])

    def scaling(self) -> Scaling | str:
        """How inputs are scaled to mean 0 and standard deviation 1; of a stream, which sees batches only, measured."""
        if not self.streams:
            return "standard"
        mean = np.asarray(self.x.mean(0), np.float64).ravel()
        spread = np.sqrt(np.maximum(np.asarray(self.x.multiply(self.x).mean(0)).ravel() - mean**2, 0))
        return Scaling(mean, np.where(spread > 1e-7 * np.abs(mean), spread, 1.0))


class Stream:
    """Batches of sparse rows, dense: what `Model.fit` takes in place of arrays.

    Parameters
    ----------
    rows : Rows
        The rows.
    arrange : function
        From encoded targets to those that the net takes.
    batch : int
        Rows in a batch.
    seed : int, optional
        Of the order in every epoch; None: as they lie.
    """

    repeats, exact = True, True

    def __init__(self, rows: Rows, arrange: Callable[[np.ndarray], Any], batch: int, seed: int | None = None) -> None:
        self._rows, self._arrange, self._batch, self._seed = rows, arrange, batch, seed
        self.length = -(-len(rows) // batch)

    def __iter__(self) -> Iterator[Any]:
        return self.open(0, 0)

    def open(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch, from one on."""
        count = len(self._rows)
        order = np.arange(count) if self._seed is None else permutation(derive(self._seed, "rows", epoch), count)
        for step in range(first, self.length):
            part = self._rows.take(np.sort(order[step * self._batch : (step + 1) * self._batch]))
            weights = np.ones(len(part)) if part.weights is None else part.weights
            yield dense(part.x), self._arrange(part.codes), weights


def is_sparse(x: Any) -> bool:
    """Whether this is a sparse array of scipy."""
    return hasattr(x, "toarray")


def dense(x: Any) -> np.ndarray:
    """An array, of a sparse one as float32."""
    return x.astype(np.float32).toarray() if is_sparse(x) else x


def predicted(model: Any, x: Any) -> Any:
    """The outputs of a net for some rows: the same for a row whatever others there are, of tables to the last bit."""
    if not is_sparse(x):
        return _blocks(model, x)
    step = max(BLOCK, MOST_DENSE // x.shape[1] // BLOCK * BLOCK)
    parts = [_blocks(model, dense(x[first : first + step])) for first in range(0, x.shape[0], step)]
    leaves = [np.concatenate(each) for each in zip(*map(tree.leaves, parts), strict=True)]
    return tree.rebuild(tree.spec(parts[0]), leaves)


def _blocks(model: Any, x: np.ndarray) -> Any:
    if x.ndim > 2:
        return model.predict(x)
    rows = len(x)
    padded = np.concatenate([x, np.zeros((-rows % BLOCK, x.shape[1]), x.dtype)])
    return tree.map_leaves(lambda leaf: leaf[:rows], model.predict(padded, batch_size=BLOCK))
