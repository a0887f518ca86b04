"""Keras's estimators of scikit-learn; handson's own are `handson.NeuralNetClassifier` and `NeuralNetRegressor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.keras.wrapped import SKLearnClassifier as SKLearnClassifier
    from handson.keras.wrapped import SKLearnRegressor as SKLearnRegressor
    from handson.keras.wrapped import SKLearnTransformer as SKLearnTransformer

mirror(
    __name__,
    SKLearnClassifier="handson.keras.wrapped:SKLearnClassifier",
    SKLearnRegressor="handson.keras.wrapped:SKLearnRegressor",
    SKLearnTransformer="handson.keras.wrapped:SKLearnTransformer",
)
