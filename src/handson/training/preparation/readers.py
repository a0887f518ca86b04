"""What a verb reads: arrays whose rows are all there, or data that come in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from handson.core.errors import HandsonError
from handson.data.rows.openings import is_batches
from handson.training.preparation import given
from handson.training.preparation.arguments import Arguments
from handson.training.preparation.prepare import Rows, check_weights, prepare_rows
from handson.training.preparation.streams import Opened, Stream

if TYPE_CHECKING:
    from handson.training.preparation.net import Net


@dataclass
class Reading:
    """Checked rows: all of them, or those that came first of data that come in batches.

    Attributes
    ----------
    rows : Rows
        The rows.
    opened : Opened, optional
        The data that come in batches.
    limit : int, optional
        Batches in an epoch, if fewer than the rows have.
    """

    rows: Rows
    opened: Opened | None = None
    limit: int | None = None

    def batches(self, size: int, device: torch.device, shuffle: bool = False, seed: int = 0) -> Any:
        """The batches on a device."""
        if self.opened is not None:
            return self.opened.batches(device, seed)
        found = self.rows.batches(size, device, shuffle, seed)
        if self.limit is not None and self.limit > found.steps:
            raise HandsonError(
                f"steps_per_epoch={self.limit}, and the rows make {found.steps} batches of {size}: an epoch sees each "
                f"row once at most. Train more epochs, or leave steps_per_epoch out."
            )
        found.limit = self.limit
        return found


def read(model: Net, x: Any, y: Any, arguments: Arguments) -> Reading:
    """The data of a training."""
    if not is_batches(x):
        given.check_groups(x, arguments.groups)
        rows = prepare_rows(model, x, y, arguments.sample_weight, arguments.class_weight, arguments.missing)
        check_weights(model, rows)
        return Reading(rows, limit=arguments.steps_per_epoch)
    _refuse(x, {"y": y, "sample_weight": arguments.sample_weight, "groups": arguments.groups})
    if arguments.missing == "drop":
        raise HandsonError(
            "missing='drop' leaves rows of arrays out; these data come in batches: leave them out there."
        )
    stream = Stream(x, arguments.steps_per_epoch, arguments.batch_size, arguments.shuffle, arguments.class_weight)
    rows, opened = stream.open(model, model.age)
    return Reading(rows, opened)


def read_to_measure(
    model: Net, x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int | None
) -> Reading:
    """The data of an evaluation."""
    if not is_batches(x):
        rows = prepare_rows(model, x, y, sample_weight)
        if steps is not None:
            raise HandsonError("steps is for data that come in batches; of arrays all rows are measured: x[:n], y[:n].")
        check_weights(model, rows)
        return Reading(rows)
    _refuse(x, {"y": y, "sample_weight": sample_weight})
    rows, opened = Stream(x, steps, batch_size).open(model)
    return Reading(rows, opened)


def _refuse(x: Any, given: dict[str, Any]) -> None:
    """Raise for what belongs into the batches."""
    for name, value in given.items():
        if value is not None:
            raise HandsonError(
                f"the data are a {type(x).__name__}, which gives batches of (x, y) or (x, y, sample_weight): {name} "
                f"belongs into the batches, not beside them."
            )
