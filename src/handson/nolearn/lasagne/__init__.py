"""`nolearn.lasagne`, by its full name."""

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
    "SaveWeights", "TrainSplit", "WeightLog", "objective",
]  # fmt: skip
