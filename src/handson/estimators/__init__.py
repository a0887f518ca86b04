"""Nets as estimators of scikit-learn."""

from handson.estimators.classifier import NeuralNetClassifier
from handson.estimators.regressor import NeuralNetRegressor

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]
