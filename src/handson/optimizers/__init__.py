"""Optimizers, with Keras's names, arguments, defaults and formulas.

An optimizer works on lists of tensors at once: `update` states the formula of a step for all weights, once for steps
that run from Python and for steps that are recorded and replayed. `Optimizer` shows how to write one.
"""

from __future__ import annotations

import inspect
from typing import Any

from handson import schedules as schedules
from handson.core import registry
from handson.core.errors import HandsonError, listing
from handson.core.serializers import serializers
from handson.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from handson.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from handson.optimizers.base import Optimizer, laid_out
from handson.optimizers.factored import Adafactor
from handson.optimizers.muon import Muon
from handson.optimizers.sgd import SGD, Lion

__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "LossScaleOptimizer",
    "Muon", "Nadam", "Optimizer", "RMSprop", "deserialize", "get", "laid_out", "schedules", "serialize",
]  # fmt: skip


def LossScaleOptimizer(*args: Any, **kwargs: Any) -> None:
    """Refused: it keeps float16 gradients from underflowing, and handson does not compute in float16.

    Examples
    --------
    >>> LossScaleOptimizer(Adam())
    Traceback (most recent call last):
    handson.core.errors.HandsonError: LossScaleOptimizer is for float16; handson computes in float32 or bfloat16, ...
    """
    raise HandsonError(
        "LossScaleOptimizer is for float16; handson computes in float32 or bfloat16, whose gradients do not underflow. "
        "Use its inner optimizer as it is, and compile(..., precision='bfloat16') for speed."
    )


def get(identifier: Any) -> Optimizer:
    """The optimizer for a name, a configuration or an object.

    Examples
    --------
    >>> get("adam").beta_2
    0.999
    """
    ours = inspect.isclass(identifier) and issubclass(identifier, Optimizer)
    if ours or isinstance(identifier, (str, dict)):
        identifier = registry.resolve("optimizer", identifier)
    if not isinstance(identifier, Optimizer):
        raise HandsonError(
            f"an optimizer is one of {listing(registry.known('optimizer'))}, or an object of these; got "
            f"{identifier!r}. Optimizers of torch.optim do not fit: theirs hold the weights."
        )
    return identifier


serialize, deserialize = serializers("optimizer", get)
