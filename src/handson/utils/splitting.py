"""Data sets in two parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.utils.data import Dataset, Subset

from handson.core.errors import HandsonError
from handson.data.dataflow import Dataflow, stacked
from handson.randomness.keys import check_seed, derive, fresh_seed, permutation


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """A data set in two parts.

    Parameters
    ----------
    dataset : array, tuple or list of arrays, Dataflow, or torch.utils.data.Dataset
        The data; a dataflow is read into memory.
    left_size, right_size : float or int, optional
        The size of each part: a share, or a number of rows. One is enough.
    shuffle : bool
        Whether rows are shuffled first.
    seed : int, optional
        The seed of that order.
    preferred_backend : {'torch', None}
        Only for programs that name it.

    Returns
    -------
    tuple of two Dataflow, or of two torch.utils.data.Subset for a data set of PyTorch
        Rows; a dataflow of batches gives batches of the same size.

    Examples
    --------
    >>> left, right = split_dataset((np.arange(10), np.arange(10)), left_size=0.8)
    >>> len(left), [int(x) for x, y in right]
    (8, [8, 9])
    """
    if preferred_backend not in (None, "torch"):
        raise HandsonError(f"split_dataset: data sets are this library's or PyTorch's; got {preferred_backend!r}.")
    size = None
    if isinstance(dataset, Dataflow):
        size = dataset.batch_size
        rows = list(dataset.unbatch() if size is not None else dataset)
        if not rows:
            raise HandsonError("split_dataset: the data set is empty.")
        data: Any = stacked(rows)
        count = len(rows)
    elif isinstance(dataset, Dataset):
        data, count = dataset, len(dataset)  # type: ignore[arg-type]
    else:
        data, count = _arrays(dataset)
    left, right = _sizes(count, left_size, right_size)
    key = fresh_seed() if seed is None else check_seed(seed)
    order = permutation(derive(key, "split"), count) if shuffle else np.arange(count)
    parts = order[:left], order[count - right :]
    if isinstance(dataset, Dataset):
        return Subset(dataset, parts[0].tolist()), Subset(dataset, parts[1].tolist())
    flows = [Dataflow.from_tensor_slices(_picked(data, part)) for part in parts]
    found = [flow if size is None else flow.batch(size) for flow in flows]
    return found[0], found[1]


def _arrays(dataset: Any) -> tuple[Any, int]:
    arrays = tuple(np.asarray(one) for one in dataset) if isinstance(dataset, (tuple, list)) else np.asarray(dataset)
    lengths = {len(one) for one in arrays} if isinstance(arrays, tuple) else {len(arrays)}
    if len(lengths) != 1:
        raise HandsonError(f"split_dataset takes arrays of one length; got {sorted(lengths)}.")
    return arrays, lengths.pop()


def _picked(data: Any, rows: np.ndarray) -> Any:
    if isinstance(data, dict):
        return {name: _picked(value, rows) for name, value in data.items()}
    return tuple(_picked(value, rows) for value in data) if isinstance(data, tuple) else data[rows]


def _sizes(count: int, left: float | None, right: float | None) -> tuple[int, int]:
    """The numbers of rows of both parts."""
    if left is None and right is None:
        raise HandsonError("split_dataset needs left_size or right_size: a share, such as 0.8, or a number of rows.")
    found = [None if size is None else _rows(name, size, count) for name, size in (("left", left), ("right", right))]
    a, b = found
    a = count - b if a is None and b is not None else a
    b = count - a if b is None and a is not None else b
    if a is None or b is None or min(a, b) < 1 or a + b > count:
        raise HandsonError(f"split_dataset: {count} rows cannot be split into {a} and {b}.")
    return a, b


def _rows(name: str, size: float, count: int) -> int:
    if isinstance(size, bool) or not isinstance(size, (int, float, np.number)) or size < 0:
        raise HandsonError(f"split_dataset: {name}_size is a share or a number of rows; got {size!r}.")
    if isinstance(size, (int, np.integer)):
        return int(size)
    if size > 1:
        raise HandsonError(f"split_dataset: {name}_size is a share from 0 to 1, or a whole number; got {size!r}.")
    return round(size * count)
