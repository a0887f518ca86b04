"""Windows of a series in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole
from handson.data.dataflow import Dataflow
from handson.layers.preprocessing.encoding import chosen
from handson.randomness.keys import check_seed, derive, fresh_seed, permutation


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataflow:
    """Windows of a series, with the target that belongs to the first step of each.

    Parameters
    ----------
    data : array of shape (steps, ...)
        The series.
    targets : array, optional
        ``targets[i]`` belongs to the window that begins at step i; None for windows alone.
    sequence_length : int
        Steps in a window.
    sequence_stride : int
        From one window to the next.
    sampling_rate : int
        From one step in a window to the next.
    batch_size : int, optional
        Windows in a batch; None for single windows.
    shuffle : bool
        Whether each epoch has an order of its own.
    seed : int, optional
        The seed of the orders.
    start_index, end_index : int, optional
        The part of the series that is used.
    format : {'tf', 'grain'}
        The kind of data set in Keras; here it is a `Dataflow` in any case.

    Returns
    -------
    Dataflow

    Examples
    --------
    >>> flow = timeseries_dataset_from_array(np.arange(6), np.arange(6) * 10, 3, batch_size=2)
    >>> [(x.tolist(), y.tolist()) for x, y in flow]
    [([[0, 1, 2], [1, 2, 3]], [0, 10]), ([[2, 3, 4], [3, 4, 5]], [20, 30])]
    """
    chosen("timeseries_dataset_from_array", "format", format, ("tf", "grain"))
    series = np.asarray(data)
    first, last = _part(len(series), start_index, end_index)
    for name, value in (("sequence_length", sequence_length), ("sequence_stride", sequence_stride)):
        whole(name, value, 1)
    whole("sampling_rate", sampling_rate, 1)
    series = series[first:last]
    goals = None if targets is None else np.asarray(targets)
    count = len(series) - (sequence_length - 1) * sampling_rate
    count = count if goals is None else min(count, len(goals))
    if count < 1:
        raise HandsonError(
            f"there is no window of {sequence_length} steps, {sampling_rate} apart, in {len(series)} steps."
        )
    goals = None if goals is None else goals[first:last]
    starts = np.arange(0, count, sequence_stride)
    key = fresh_seed() if seed is None else check_seed(seed)
    steps = np.arange(0, sequence_length * sampling_rate, sampling_rate)
    size = 1 if batch_size is None else whole("batch_size", batch_size, 1)

    def read(epoch: int) -> Iterator[Any]:
        order = starts[permutation(derive(key, "shuffle", epoch), len(starts))] if shuffle else starts
        for place in range(0, len(order), size):
            at = order[place : place + size]
            window = series[at[:, None] + steps]
            found = window if goals is None else (window, goals[at])
            if batch_size is not None:
                yield found
            else:
                yield window[0] if goals is None else (window[0], goals[at[0]])

    flow = Dataflow(read, -(-len(starts) // size))
    flow.batch_size = batch_size
    return flow


def _part(length: int, start: int | None, end: int | None) -> tuple[int, int]:
    first, last = start or 0, length if end is None else end
    if not 0 <= first < last <= length:
        raise HandsonError(
            f"start_index and end_index are a part of the series, which has {length} steps; got {start} and {end}."
        )
    return first, last
