"""Rows as a net takes them: in memory, or sparse, and turned dense batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handson.core import tree

# Rows that are predicted together: always so many, so that the outputs of a row do not depend on its neighbours, and
# products of matrices round alike.
BLOCK = 64
# Rows of a sparse array that are dense at the same time.
DENSE_VALUES = 1 << 24


@dataclass
class WholeRows:
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
    def inputs(self) -> np.ndarray:
        """The inputs as a dense array."""
        return dense(self.x)

    def take(self, rows: np.ndarray) -> WholeRows:
        """Some of these rows."""
        return WholeRows(self.x[rows], self.codes[rows], None if self.weights is None else self.weights[rows])


def dense(x: Any) -> np.ndarray:
    """An array, of a sparse one as float32."""
    return x.astype(np.float32).toarray() if hasattr(x, "toarray") else x


def predicted(model: Any, x: Any) -> Any:
    """The outputs of a net for some rows: the same for a row whatever others there are, of tables to the last bit."""
    if not hasattr(x, "toarray"):
        return _blocks(model, x)
    step = max(BLOCK, DENSE_VALUES // x.shape[1] // BLOCK * BLOCK)
    parts = [_blocks(model, dense(x[first : first + step])) for first in range(0, x.shape[0], step)]
    leaves = [np.concatenate(each) for each in zip(*map(tree.leaves, parts), strict=True)]
    return tree.rebuild(tree.spec(parts[0]), leaves)


def _blocks(model: Any, x: np.ndarray) -> Any:
    if x.ndim > 2:
        return model.predict(x)
    rows = len(x)
    padded = np.concatenate([x, np.zeros((-rows % BLOCK, x.shape[1]), x.dtype)])
    return tree.map_leaves(lambda leaf: leaf[:rows], model.predict(padded, batch_size=BLOCK))
