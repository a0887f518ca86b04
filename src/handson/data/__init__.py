"""From a file to a batch: sources, splits, scaling, batches, augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.core.lazy import lazy

if TYPE_CHECKING:
    from handson.data.augment import Augment as Augment
    from handson.data.dataflow import Dataflow as Dataflow
    from handson.data.reading.dataset import Dataset as Dataset
    from handson.data.reading.sources import read as read
    from handson.data.rows.scaling import Scaling as Scaling

_HOMES = {
    "Augment": "handson.data.augment:Augment",
    "Dataflow": "handson.data.dataflow:Dataflow",
    "Dataset": "handson.data.reading.dataset:Dataset",
    "Scaling": "handson.data.rows.scaling:Scaling",
    "read": "handson.data.reading.sources:read",
}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
