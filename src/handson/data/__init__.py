"""From a file to a batch: sources, splits, scaling, batches, augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.lazy import lazy

if TYPE_CHECKING:
    from handson.data.augment import Augment as Augment
    from handson.data.dataset import Dataset as Dataset
    from handson.data.scaling import Scaling as Scaling
    from handson.data.sources import read as read

_HOMES = {
    "Augment": "handson.data.augment:Augment",
    "Dataset": "handson.data.dataset:Dataset",
    "Scaling": "handson.data.scaling:Scaling",
    "read": "handson.data.sources:read",
}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
