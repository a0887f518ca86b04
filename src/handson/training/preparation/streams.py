"""Data that come in batches: the first says what they are, and each is checked as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from handson.core.errors import HandsonError, whole
from handson.data.rows import arrays
from handson.data.rows.feed import Batch, arriving
from handson.data.rows.openings import Opening, opening
from handson.data.rows.streamed import Ready, Streamed
from handson.layers.shapes import flat_shapes
from handson.training.preparation import given
from handson.training.preparation.prepare import Rows, complete, looked_at

if TYPE_CHECKING:
    from handson.training.preparation.net import Net

# Batches that scalings are measured on.
MEASURED_BATCHES = 32


@dataclass
class Stream:
    """What a verb was given besides the data that come in batches.

    Attributes
    ----------
    data : object
        A generator, an iterable, a function that returns one, a data set or loader of PyTorch, or a PyDataset.
    steps : int, optional
        Batches in an epoch.
    batch_size : int, optional
        For a data set of single samples.
    shuffle : bool
        Whether an epoch has an order of its own, where the data can be picked by number.
    class_weight : dict, optional
        A weight for each class.
    """

    data: Any
    steps: int | None = None
    batch_size: int | None = None
    shuffle: bool = False
    class_weight: Any = None

    def __post_init__(self) -> None:
        if self.steps is not None:
            self.steps = whole("steps_per_epoch", self.steps, 1)

    def open(self, model: Net, age: int = 0) -> tuple[Rows, Opened]:
        """Read what comes first, and build the net for it: the rows that were read, and the rest.

        What is read here, in the order of the data, does not depend on a seed: neither do scalings.
        """
        way = opening(self.data, self.batch_size, False, 0)
        rest = iter(way.open(age, 0))
        read = list(_first(rest, MEASURED_BATCHES if _measures(model) else 1))
        if not read:
            raise HandsonError("the data have no batch: a generator that has ended, or an empty data set.")
        prepare = _Preparation(model, self.class_weight)
        ready = [prepare(raw) for raw in read]
        rows = _together(ready)
        rows.target_form = prepare.target_form
        return rows, Opened(self, way, prepare, ready, read, rest, age)


@dataclass
class Opened:
    """Data whose first batches were read."""

    stream: Stream
    way: Opening
    prepare: _Preparation
    ready: list[Ready]
    read: list[Any]
    rest: Iterator[Any]
    age: int

    def batches(self, device: torch.device, seed: int = 0) -> Streamed:
        """The batches, for a net on a device, in the orders that follow from a seed."""
        stream, way = self.stream, self.way
        if way.repeats:
            way = opening(stream.data, stream.batch_size, stream.shuffle, seed)
        found = Streamed(way, self.prepare, self.ready[0], stream.steps, device, self.age)
        if not way.repeats:
            found.begin_with(self.read, self.rest)
        return found


class _Preparation:
    """Makes batches ready; the first also builds the net, and says what its outputs look like."""

    def __init__(self, model: Net, class_weight: Any) -> None:
        self._model, self._class_weight = model, class_weight
        self._outputs: Sequence[Tensor] | None = None
        self.target_form: Any = 0

    def __call__(self, raw: Any) -> Ready:
        x, y, weights = unpacked(raw)
        model = self._model
        inputs = given.prepare_inputs(model, x) if self._outputs is None else given.more_inputs(model, x)
        if self._outputs is None:
            self._outputs = looked_at(model, inputs)
        y = arrays.targets_by_name(y, model.target_names)
        rows = complete(Rows(inputs, [], [], []), model, y, self._expected(y), weights, self._class_weight)
        self.target_form = rows.target_form
        leaves = [arriving(leaf[:]) for leaf in rows.inputs], [leaf[:] for leaf in rows.targets], rows.weights
        return Ready(Batch(*leaves), rows.masked)

    def _expected(self, y: Any) -> Sequence[Tensor]:
        """Outputs of the first rows, sizes that vary from batch to batch taken from the targets."""
        outputs = self._outputs or []
        shapes = [list(shape) for shape in flat_shapes(self._model.output_shape)] if outputs else []
        if y is None or not any(None in shape[1:] for shape in shapes):
            return outputs
        targets = given.for_outputs("targets", y, self._model.output_names)
        found = []
        for output, shape, target in zip(outputs, shapes, targets, strict=True):
            known = list(getattr(target, "shape", output.shape))
            sizes = [
                known[axis] if side is None and axis < len(known) else output.shape[axis]
                for axis, side in enumerate(shape[1:], 1)
            ]
            found.append(output.new_zeros(len(output), *sizes))
        return found


def unpacked(raw: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a batch: (x,), (x, y), (x, y, sample_weight), or the inputs alone.

    Examples
    --------
    >>> unpacked((1, 2)), unpacked([1]), unpacked({"a": 1})
    ((1, 2, None), (1, None, None), ({'a': 1}, None, None))
    """
    if not isinstance(raw, (tuple, list)):
        return raw, None, None
    if not 1 <= len(raw) <= 3:
        raise HandsonError(f"a batch is (x,), (x, y) or (x, y, sample_weight); got {len(raw)} entries.")
    x, y, weights = (*raw, None, None)[:3]
    return x, y, weights


def _first(rest: Iterator[Any], count: int) -> Iterator[Any]:
    for _ in range(count):
        try:
            yield next(rest)
        except StopIteration:
            return


def _measures(model: Net) -> bool:
    """Whether scalings are to be measured."""
    inputs = model.compiled and model.scale_inputs is not None and model.input_scalings is None
    return inputs or (model.compiled and model.scale_targets is not None and model.target_scalings is None)


def _together(ready: list[Ready]) -> Rows:
    """The rows of some batches."""

    def joined(part: int) -> list[Any]:
        leaves = zip(*(one.batch[part] for one in ready), strict=True)
        return [None if leaf[0] is None else torch.cat(leaf) if len(leaf) > 1 else leaf[0] for leaf in leaves]

    masked = [any(flags) for flags in zip(*(one.masked for one in ready), strict=True)]
    return Rows(joined(0), joined(1), joined(2), masked)


def inputs_of_batches(data: Any, steps: int | None, batch_size: int | None) -> Iterator[Any]:
    """The inputs of each batch, for predictions: what else a batch holds is left out."""
    way = opening(data, batch_size, False, 0)
    steps = steps if steps is not None else way.length
    count = 0
    for raw in way.open(0, 0):
        yield unpacked(raw)[0]
        count += 1
        if count == steps:
            return
    if steps is not None and count < steps:
        raise HandsonError(f"the data ended after {count} batches; expected {steps}.")
