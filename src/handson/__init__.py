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

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handson import activations as activations
    from handson import callbacks as callbacks
    from handson import data as data
    from handson import initializers as initializers
    from handson import layers as layers
    from handson import losses as losses
    from handson import metrics as metrics
    from handson import models as models
    from handson import optimizers as optimizers
    from handson import regularizers as regularizers
    from handson import schedules as schedules
    from handson.errors import HandsonError as HandsonError
    from handson.errors import TrainingError as TrainingError
    from handson.layers import Input as Input
    from handson.models import Model as Model
    from handson.models import Sequential as Sequential
    from handson.randomness import set_random_seed as set_random_seed
    from handson.registry import register as register

    load = models.load_model

__version__ = "0.1.0"

_MODULES = (
    "activations", "callbacks", "data", "faces", "initializers", "layers", "losses", "metrics", "models", "optimizers",
    "plots", "regularizers", "schedules",
)  # fmt: skip
_NAMES = {
    "HandsonError": "handson.errors:HandsonError",
    "TrainingError": "handson.errors:TrainingError",
    "Input": "handson.layers:Input",
    "Model": "handson.models:Model",
    "Sequential": "handson.models:Sequential",
    "load": "handson.models:load_model",
    "register": "handson.registry:register",
    "set_random_seed": "handson.randomness:set_random_seed",
}

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module, _, attribute = _NAMES[name].partition(":")
        value = getattr(importlib.import_module(module), attribute)
    elif name in _MODULES:
        value = importlib.import_module(f"handson.{name}")
    else:
        raise AttributeError(f"handson has no {name!r}; it has {', '.join(__all__)}.")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
