"""Windows of a series in batches, as older programs make them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, whole
from handson.keras.preprocessing.descriptions import described
from handson.keras.preprocessing.keyed_batches import KeyedBatches


class TimeseriesGenerator(KeyedBatches):
    """Windows of a series with the target of the step that follows each; `handson.utils` has a newer function for it.

    Parameters
    ----------
    data : array of shape (steps, ...)
        The series.
    targets : array of shape (steps, ...)
        ``targets[i]`` belongs to the window of steps before i.
    length : int
        Steps that a window reaches back.
    sampling_rate : int
        From one step in a window to the next.
    stride : int
        From one window to the next.
    start_index, end_index : int, optional
        The first step that is in a window, and the last whose target is used.
    shuffle : bool
        Whether windows come in an order of each epoch's own, each once. (Keras draws them with replacement.)
    reverse : bool
        Whether the steps of a window run backwards.
    batch_size : int
        Windows in a batch.
    seed : int, optional
        The seed of the orders. (Keras has none.)
    **kwargs
        Those of `handson.utils.PyDataset`.

    Examples
    --------
    >>> windows = TimeseriesGenerator(np.arange(6), np.arange(6) * 10, length=3, batch_size=2)
    >>> [(x.tolist(), y.tolist()) for x, y in windows]
    [([[0, 1, 2], [1, 2, 3]], [30, 40]), ([[2, 3, 4]], [50])]
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if len(data) != len(targets):
            raise HandsonError(f"each step has a target: there are {len(data)} steps and {len(targets)} targets.")
        self.data, self.targets = data, targets
        # `length` is how many batches there are, as a training asks of what it reads.
        self.window = whole("length", length, 1)
        self.sampling_rate, self.stride = whole("sampling_rate", sampling_rate, 1), whole("stride", stride, 1)
        self.start_index = whole("start_index", start_index, 0) + self.window
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.reverse = bool(reverse)
        if not self.start_index <= self.end_index < len(data):
            raise HandsonError(
                f"no window of {self.window} steps from step {start_index} on ends before step {self.end_index}: the "
                f"series has {len(data)} steps. Give a smaller length, or other start_index and end_index."
            )
        self._series, self._goals = np.asarray(data), np.asarray(targets)
        count = (self.end_index - self.start_index) // self.stride + 1
        super().__init__(count, batch_size, shuffle, seed, **kwargs)

    def batch(self, rows: np.ndarray, key: int) -> tuple[np.ndarray, np.ndarray]:
        """The windows of some numbers, and their targets."""
        ends = self.start_index + rows * self.stride
        steps = np.arange(-self.window, 0, self.sampling_rate)
        return self._series[ends[:, None] + (steps[::-1] if self.reverse else steps)], self._goals[ends]

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON; the series and its targets as JSON texts, as in Keras."""
        texts = {name: json.dumps(np.asarray(getattr(self, name)).tolist()) for name in ("data", "targets")}
        names = ("sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")
        reading = ("workers", "use_multiprocessing", "max_queue_size")
        kept = {name: getattr(self, name) for name in (*reading, *names)}
        return texts | {"length": self.window} | kept

    def to_json(self, **kwargs: Any) -> str:
        """The class and its arguments as JSON text; `kwargs` are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """The generator whose `to_json` this is.

    Examples
    --------
    >>> windows = TimeseriesGenerator(np.arange(6), np.arange(6), length=3, batch_size=2)
    >>> again = timeseries_generator_from_json(windows.to_json())
    >>> [y.tolist() for x, y in again]
    [[3, 4], [5]]
    """
    config, texts = described("TimeseriesGenerator", json_string, ("data", "targets"), ("start_index", "length"))
    config["start_index"] -= config["length"]  # that of the description is the first step with a target
    return TimeseriesGenerator(**texts, **config)
