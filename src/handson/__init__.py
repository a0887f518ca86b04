"""handson: hands-on deep learning.

Nets in Keras's vocabulary on PyTorch: built in ten lines, trained as fast as the machine allows, watched closely, and
never lost. Names are imported when they are first used, so that commands that need no torch do not load it.

Examples
--------
>>> import numpy as np
>>> from handson import Sequential
>>> from handson.layers import Dense
>>> net = Sequential([Dense(8, activation="relu"), Dense(1)], seed=0)
>>> net.compile("adam", "mse")
>>> history = net.fit(np.random.rand(64, 3), np.random.rand(64), epochs=2, verbose=0)
>>> len(history.history["loss"])
2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.core import forked as forked  # it must be there before a fork
from handson.core.lazy import lazy
from handson.core.processors import share_processors
from handson.core.version import __version__ as __version__

share_processors()

if TYPE_CHECKING:
    from handson import activations as activations
    from handson import applications as applications
    from handson import attributions as attributions
    from handson import calibration as calibration
    from handson import callbacks as callbacks
    from handson import checks as checks
    from handson import constraints as constraints
    from handson import data as data
    from handson import datasets as datasets
    from handson import distributions as distributions
    from handson import initializers as initializers
    from handson import keras as keras
    from handson import layers as layers
    from handson import losses as losses
    from handson import metrics as metrics
    from handson import models as models
    from handson import monitoring as monitoring
    from handson import ops as ops
    from handson import optimizers as optimizers
    from handson import random as random
    from handson import regularizers as regularizers
    from handson import schedules as schedules
    from handson import utils as utils
    from handson.core.errors import HandsonError as HandsonError
    from handson.core.errors import TrainingError as TrainingError
    from handson.core.lowering import lowers as lowers
    from handson.core.registry import register as register
    from handson.ensembles import Ensemble as Ensemble
    from handson.ensembles import cross_validate as cross_validate
    from handson.ensembles import deep_ensemble as deep_ensemble
    from handson.ensembles import sweep as sweep
    from handson.estimators import NeuralNetClassifier as NeuralNetClassifier
    from handson.estimators import NeuralNetRegressor as NeuralNetRegressor
    from handson.layers import Input as Input
    from handson.models import Model as Model
    from handson.models import Sequential as Sequential
    from handson.randomness import set_random_seed as set_random_seed

    load = models.load_model

_MODULES = (
    "activations",
    "applications",
    "calibration",
    "attributions",
    "callbacks",
    "checks",
    "constraints",
    "data",
    "datasets",
    "distributions",
    "faces",
    "initializers",
    "keras",
    "layers",
    "losses",
    "metrics",
    "models",
    "monitoring",
    "ops",
    "optimizers",
    "plots",
    "random",
    "regularizers",
    "schedules",
    "utils",
)
_HOMES = {name: f"handson.{name}" for name in _MODULES} | {
    "HandsonError": "handson.core.errors:HandsonError",
    "TrainingError": "handson.core.errors:TrainingError",
    "Ensemble": "handson.ensembles:Ensemble",
    "Input": "handson.layers:Input",
    "Model": "handson.models:Model",
    "NeuralNetClassifier": "handson.estimators:NeuralNetClassifier",
    "NeuralNetRegressor": "handson.estimators:NeuralNetRegressor",
    "Sequential": "handson.models:Sequential",
    "cross_validate": "handson.ensembles:cross_validate",
    "deep_ensemble": "handson.ensembles:deep_ensemble",
    "load": "handson.models:load_model",
    "lowers": "handson.core.lowering:lowers",
    "register": "handson.core.registry:register",
    "sweep": "handson.ensembles:sweep",
    "set_random_seed": "handson.randomness:set_random_seed",
}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
