"""`nolearn.lasagne.base`."""

from handson.nolearn.batches import BatchIterator
from handson.nolearn.net import NeuralNet
from handson.nolearn.objective import objective
from handson.nolearn.splits import TrainSplit

__all__ = ["BatchIterator", "NeuralNet", "TrainSplit", "objective"]
