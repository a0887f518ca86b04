"""Evaluations and predictions with callbacks: in one go, or batch by batch where a callback asks for batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.callbacks.calls import PREDICT_BATCHES, TEST_BATCHES, CallbackList
from handson.data.rows.batches import Batches
from handson.data.rows.stored import Data, StoredRows
from handson.state.sums import Sums
from handson.training.engines import Engine


class Evaluation:
    """Measures loss and metrics of some rows, as often as it is called.

    Parameters
    ----------
    engine : Engine
        What evaluates.
    batches : Batches
        The rows.
    callbacks : CallbackList
        Called before and after; around each batch if any of them defines that.
    """

    def __init__(self, engine: Engine, batches: Batches, callbacks: CallbackList) -> None:
        self.engine, self.batches, self.callbacks = engine, batches, callbacks
        self.by_batch = callbacks.define(*TEST_BATCHES)
        self.sums = Sums()

    @cached_property
    def _parts(self) -> list[Batches]:
        """Every batch on its own; made once, as engines keep what they prepare of them."""
        return [self._part(*self.batches.bounds(step)) for step in range(self.batches.steps)]

    def _part(self, first: int, last: int) -> Batches:
        whole = self.batches
        parts: dict[str, Any] = {
            name: [None if leaf is None else rows_of(leaf, first, last) for leaf in getattr(whole, name)]
            for name in ("inputs", "targets", "weights")
        }
        return replace(whole, **parts, _order=None, _feed=None)

    def __call__(self) -> dict[str, float]:
        """The loss and the metrics."""
        self.callbacks.call("on_test_begin", {})
        if self.by_batch:
            logs = self._by_batch()
        else:
            self.sums = self.engine.evaluate(self.batches)
            logs = self.engine.job.report(self.sums)
        self.callbacks.call("on_test_end", dict(logs))
        return logs

    def _by_batch(self) -> dict[str, float]:
        self.sums = total = Sums()
        logs: dict[str, float] = {}
        for number, part in enumerate(self._parts):
            self.callbacks.call("on_test_batch_begin", number, {})
            self.engine.evaluate(part, total)
            logs = self.engine.job.report(total)
            self.callbacks.call("on_test_batch_end", number, dict(logs))
        return logs

    def close(self) -> None:
        """End what reads ahead."""
        for batches in (self.batches, *(self._parts if self.by_batch else ())):
            batches.close()


def predict(engine: Engine, inputs: Sequence[Data], size: int, callbacks: CallbackList) -> list[Tensor]:
    """The outputs, as leaves, for some inputs, with the callbacks around them."""
    callbacks.call("on_predict_begin", {})
    if not callbacks.define(*PREDICT_BATCHES):
        outputs = engine.predict(inputs, size)
    else:
        parts = []
        for number, first in enumerate(range(0, len(inputs[0]), size)):
            callbacks.call("on_predict_batch_begin", number, {})
            last = min(first + size, len(inputs[0]))
            parts.append(engine.predict([rows_of(leaf, first, last) for leaf in inputs], size))
            found = [leaf.numpy() for leaf in parts[-1]]
            callbacks.call("on_predict_batch_end", number, {"outputs": found[0] if len(found) == 1 else found})
        outputs = [torch.cat(leaves) for leaves in zip(*parts, strict=True)]
    callbacks.call("on_predict_end", {})
    return outputs


def rows_of(data: Any, first: int, last: int) -> Data:
    """The rows from one to another; of a file a view."""
    return data.select(np.arange(first, last)) if isinstance(data, StoredRows) else data[first:last]
