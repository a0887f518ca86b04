"""nolearn's language: `NeuralNet`, an estimator of scikit-learn made of Lasagne's layers.

Programs run with their imports changed: ``from handson.nolearn import BatchIterator, NeuralNet`` in place of
``from nolearn.lasagne import ...``. handson's loop trains, and its losses and optimizers do where they are known.
"""

from __future__ import annotations

from typing import Any

from handson.core.errors import nearest
from handson.nolearn import cross_validation, visualize
from handson.nolearn.batches import BatchIterator
from handson.nolearn.handlers import (
    PrintLayerInfo,
    PrintLog,
    RememberBestWeights,
    RestoreBestWeights,
    SaveWeights,
    WeightLog,
)  # fmt: skip
from handson.nolearn.net import NeuralNet
from handson.nolearn.objective import objective
from handson.nolearn.splits import TrainSplit

__all__ = [
    "BatchIterator", "NeuralNet", "PrintLayerInfo", "PrintLog", "RememberBestWeights", "RestoreBestWeights",
    "SaveWeights", "TrainSplit", "WeightLog", "cross_validation", "objective", "visualize",
]  # fmt: skip

# What nolearn has and this has not, with what to use in its place.
_MISSING = {
    "LegacyTrainSplit": "use TrainSplit",
    "ShuffleBatchIteratorMixin": "use BatchIterator(batch_size, shuffle=True)",
    "dbn": "deep belief nets are not there",
    "decaf": "use handson's own pretrained nets",
    "overfeat": "use handson's own pretrained nets",
}


def __getattr__(name: str) -> Any:
    why = f": {_MISSING[name]}." if name in _MISSING else f".{nearest(name, __all__)}"
    raise AttributeError(f"handson.nolearn has no {name!r}{why}")
