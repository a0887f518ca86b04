"""Penalties, bounds and optimizer as numbers: what `handson.kernels.dense_update` needs to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from handson.core.lowering import NoLowering, lowered, rule_of
from handson.kernels import dense_update as kernel
from handson.layers import Layer
from handson.optimizers import Optimizer
from handson.schedules import Schedule
from handson.training.engines.dense.flat_weights import FlatWeights
from handson.training.preparation.job import Job, Span


def check(job: Job) -> None:
    """Raise `NoLowering` unless the program can run the updates of a training."""
    lowered(job.optimizer, "dense")
    setting = job.optimizer.eager_only()
    if setting:
        raise NoLowering(setting)
    if job.optimizer.weight_decay and job.optimizer.undecayed:
        raise NoLowering("exclude_from_weight_decay")
    if job.optimizer.rate_multipliers:
        raise NoLowering(f"rate_multipliers={job.optimizer.rate_multipliers}")
    for name, weight in job.module.named_parameters():
        if getattr(weight, "constraint", None) is not None:
            raise NoLowering(f"the constraint of {name}")
    for layer in job.penalized:
        for name, regularizer in layer.weight_regularizers.items():
            if rule_of(type(regularizer), "dense") is None:
                raise NoLowering(f"the regularizer of {name} in {layer.name}")


# By the identity of the layer, since nets in a net may have layers of the same name, and the name of the weight.
Places = dict[tuple[int, str], tuple[int, int]]


def places_of(layers: list[Layer], weights: FlatWeights) -> Places:
    """Where the weights of some layers begin and end."""
    return {
        (id(layer), name): (weights.place(weight), weights.place(weight) + weight.numel())
        for layer in layers
        for name, weight in layer.named_parameters(recurse=False)
    }


def penalties(layers: list[Layer], places: Places) -> tuple[np.ndarray, np.ndarray]:
    """Where weights with penalties that train begin and end, and the factors of L1 and L2."""
    found: list[Any] = [
        (places[id(layer), name], lowered(regularizer, "dense"))
        for layer in layers
        for name, regularizer in layer.weight_regularizers.items()
        if layer._own(name).requires_grad
    ]
    where, factors = zip(*found, strict=True) if found else ((), ())
    return np.array(where, np.int64).reshape(-1, 2), np.array(factors, np.float32).reshape(-1, 2)


def updates(job: Job, places: Places, weights: FlatWeights, spans: Sequence[Span]) -> Any:
    """What follows the gradients in the steps of some spans: see `handson.kernels.dense_update.Update`.

    Penalized weights are at `places`.
    """
    optimizer = lowered(job.optimizer, "dense")
    first, second, epsilon = map(np.float32, optimizer.numbers)
    (penalized, factors), (kind, bound) = penalties(job.penalized, places), clipping(job.optimizer)
    rates, momenta, decays, shares = schedules(job.optimizer, optimizer.corrections, spans)
    return kernel.Update(
        penalized=penalized, factors=factors, penalties=len(penalized), clipping=kind, bound=bound, ends=weights.ends,
        trained=len(weights.ends), optimizer=optimizer.code, rates=rates, momenta=momenta, decays=decays, shares=shares,
        first=first, second=second, epsilon=epsilon, slots=weights.rows[1:], stride=weights.rows.shape[1],
    )  # fmt: skip


def no_updates() -> Any:
    """`updates` for steps that train nothing."""
    return kernel.Update(optimizer=kernel.NONE)


def clipping(optimizer: Optimizer) -> tuple[int, np.float32]:
    """What is bounded, and by what."""
    for kind, bound in (
        (kernel.BY_VALUE, optimizer.clipvalue),
        (kernel.BY_NORM, optimizer.clipnorm),
        (kernel.BY_GLOBAL_NORM, optimizer.global_clipnorm),
    ):
        if bound:
            return kind, np.float32(bound)
    return kernel.UNBOUNDED, np.float32(0)


def schedules(
    optimizer: Any, corrections: Any, spans: Sequence[Span]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Learning rate, momentum, factor of weight decay and share in the average for each step.

    The rates include the corrections of the first steps, if there are any. Without an average the shares are 0.
    """
    steps, rates = sum(span.last - span.first for span in spans), _values(optimizer, "learning_rate", spans)
    momenta = np.zeros(steps, np.float32)
    if getattr(optimizer, "momentum", 0.0):
        momenta[:] = _values(optimizer, "momentum", spans)
    decays = np.ones(steps, np.float32)
    if optimizer.weight_decay:
        decays[:] = 1.0 - rates * optimizer.weight_decay
    if corrections is not None:
        rates = rates * corrections(np.arange(optimizer.iterations + 1.0, optimizer.iterations + steps + 1.0))
    shares = np.zeros(steps, np.float32)
    if optimizer.use_ema:
        shares += 1.0 - optimizer.ema_momentum
        # As in Keras, the average starts from the weights after the first step.
        shares[: 0 if optimizer.iterations else 1] = 1.0
    return np.full(steps, rates, np.float32), momenta, decays, shares


def _values(optimizer: Any, name: str, spans: Sequence[Span]) -> Any:
    """A hyper-parameter in each step: one number if it is the same in all of them."""
    value, iterations = optimizer.setting(name), count(optimizer.iterations)
    if not isinstance(value, Schedule):
        return float(value)
    steps = ((span, step) for span in spans for step in range(span.first, span.last))
    return np.array([optimizer.value(name, span.position(step, next(iterations))) for span, step in steps])
