"""`nolearn.lasagne.handlers`."""

from handson.nolearn.handlers import (
    PrintLayerInfo,
    PrintLog,
    RememberBestWeights,
    RestoreBestWeights,
    SaveWeights,
    WeightLog,
)  # fmt: skip

__all__ = ["PrintLayerInfo", "PrintLog", "RememberBestWeights", "RestoreBestWeights", "SaveWeights", "WeightLog"]
