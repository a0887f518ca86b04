"""Keras's module tree: every public name of Keras 3, and the older ones that programs still use.

``from handson import keras`` in place of ``import keras`` runs a program. Names lead to the classes and functions of
handson itself; what is not here is refused with what to use in its place (`missing` has them all). Nothing is imported
before it is used.

Examples
--------
>>> from handson import keras
>>> import handson
>>> keras.layers.Dense is handson.layers.Dense
True
>>> keras.ops.numpy.mean([1.0, 3.0]).item()
2.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror, serve
from handson.keras.spellings import teach

if TYPE_CHECKING:
    from handson.initializers import Initializer as Initializer
    from handson.keras import activations as activations
    from handson.keras import applications as applications
    from handson.keras import backend as backend
    from handson.keras import callbacks as callbacks
    from handson.keras import config as config
    from handson.keras import constraints as constraints
    from handson.keras import initializers as initializers
    from handson.keras import layers as layers
    from handson.keras import losses as losses
    from handson.keras import metrics as metrics
    from handson.keras import mixed_precision as mixed_precision
    from handson.keras import models as models
    from handson.keras import ops as ops
    from handson.keras import optimizers as optimizers
    from handson.keras import preprocessing as preprocessing
    from handson.keras import random as random
    from handson.keras import regularizers as regularizers
    from handson.keras import saving as saving
    from handson.keras import tree as tree
    from handson.keras import utils as utils
    from handson.keras import wrappers as wrappers
    from handson.layers import Input as Input
    from handson.layers import Layer as Layer
    from handson.losses import Loss as Loss
    from handson.metrics import Metric as Metric
    from handson.models import Model as Model
    from handson.models import Sequential as Sequential
    from handson.optimizers import Optimizer as Optimizer
    from handson.regularizers import Regularizer as Regularizer

# The version of Keras whose names these are; programs ask for it.
__version__ = "3.15.1"

_FILES = (
    "activations", "applications", "backend", "callbacks", "config", "constraints", "datasets", "dtype_policies",
    "initializers", "layers", "losses", "metrics", "mixed_precision", "models", "ops", "optimizers", "preprocessing",
    "random", "regularizers", "saving", "tree", "utils", "wrappers",
)  # fmt: skip

serve()
teach()
mirror(
    __name__,
    **{name: f"{__name__}.{name}" for name in _FILES},
    DTypePolicy="handson.keras.dtype_policies:DTypePolicy",
    FloatDTypePolicy="handson.keras.dtype_policies:FloatDTypePolicy",
    Function="handson.keras.function:Function",
    Initializer="handson.initializers:Initializer",
    Input="handson.layers:Input",
    InputSpec="handson.layers.input_spec:InputSpec",
    KerasTensor="handson.graph:Symbol",
    Layer="handson.layers:Layer",
    Loss="handson.losses:Loss",
    Metric="handson.metrics:Metric",
    Model="handson.models:Model",
    Optimizer="handson.optimizers:Optimizer",
    Regularizer="handson.regularizers:Regularizer",
    Sequential="handson.models:Sequential",
    Variable="handson.keras.variable:Variable",
)


def version() -> str:
    """The version of Keras whose names these are."""
    return __version__
