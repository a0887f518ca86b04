"""What an optimizer remembers, as Keras has it in files: a list of variables without names, in a fixed order.

First the number of steps and the learning rate (unless it is a schedule); then averages and gathered gradients of all
weights; then the slots of the formula, those in a group weight by weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handson.core import registry

# Slots that are listed weight by weight; of other optimizers all are one group.
GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Adam": (("momentum", "velocity"), ("velocity_maximum",)),
    "AdamW": (("momentum", "velocity"), ("velocity_maximum",)),
    "RMSprop": (("velocity",), ("momentum",), ("mean",)),
}
# Slots that Keras has for all weights although the formula has no use for those of some: in Adafactor.
FILLED = ("Adafactor",)
# After the slots Keras's Nadam remembers the product of its momenta so far.
LAST = ("Nadam",)


def variables(model: Any) -> list[Any]:
    """The variables of a net's optimizer in Keras's order: arrays."""
    optimizer, weights = model.optimizer, _trained(model)
    optimizer.bind(list(weights), list(weights.values()))
    found: list[Any] = [np.asarray(optimizer.iterations, dtype=np.int64)]
    if optimizer.schedule is None:
        found.append(np.asarray(optimizer.learning_rate, dtype=np.float32))
    for slot, name in _order(optimizer, weights):
        value = optimizer.slots[slot][name]
        shape = _shape(optimizer, slot, weights[name], value)
        found.append((value.detach().cpu().float() if value.numel() else torch.zeros(shape)).numpy())
    if type(optimizer).__name__ in LAST:
        found.append(np.asarray(_product(optimizer), dtype=np.float32))
    return found


def restore(model: Any, stored: list[Any]) -> str | None:
    """Put the variables of Keras's optimizer back; why they were left out if they do not fit, else None."""
    optimizer, weights = model.optimizer, _trained(model)
    optimizer.bind(list(weights), list(weights.values()))
    has_rate = optimizer.schedule is None
    places = list(_order(optimizer, weights))
    expected = 1 + has_rate + len(places) + (type(optimizer).__name__ in LAST)
    if len(stored) != expected:
        return f"it has {len(stored)} variables, and {type(optimizer).__name__} of this net has {expected}"
    values = stored[1 + has_rate :]
    for (slot, name), value in zip(places, values, strict=False):
        held = optimizer.slots[slot][name]
        if tuple(value.shape) != _shape(optimizer, slot, weights[name], held):
            return f"{slot} of {name} has shape {tuple(value.shape)}"
    if not all(np.isfinite(value).all() for value in (*stored[: 1 + has_rate], *values)):
        return "it holds NaN or infinity"
    if not 0 <= int(stored[0]) < 2**62 or (has_rate and float(stored[1]) < 0):
        return "its number of steps or its learning rate is negative"
    _put(optimizer, places, stored, has_rate)
    return None


@torch.no_grad()
def _put(optimizer: Any, places: list[tuple[str, str]], stored: list[Any], has_rate: bool) -> None:
    optimizer.iterations = int(stored[0])
    if has_rate:
        rate = float(stored[1])
        # The file has it as float32, and the settings beside it exactly.
        if np.float32(optimizer.learning_rate) != np.float32(rate):
            optimizer.learning_rate = rate
    for (slot, name), value in zip(places, stored[1 + has_rate :], strict=False):
        held = optimizer.slots[slot][name]
        if held.numel():
            held.copy_(torch.as_tensor(np.asarray(value)))


def _trained(model: Any) -> dict[str, Tensor]:
    """The weights that the optimizer changes, in Keras's order."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {names[id(weight)]: weight for weight in model.trainable_weights}


def _order(optimizer: Any, weights: dict[str, Tensor]) -> Iterator[tuple[str, str]]:
    """The slots with the names of their weights."""
    known = optimizer.slot_names()
    own = [slot for slot in optimizer.slot_values() if slot in known]
    groups = [
        *(("average",) if "average" in known else (),),
        *(("gathered",) if "gathered" in known else (),),
        *GROUPS.get(_base(optimizer), (tuple(own),)),
    ]
    filled = _base(optimizer) in FILLED
    for group in groups:
        for name in weights:
            for slot in group:
                if slot in known and (filled or optimizer.slots[slot][name].numel()):
                    yield slot, name


def _base(optimizer: Any) -> str:
    """The optimizer of handson that this one is, or is made from."""
    kinds = (kind.__name__ for kind in type(optimizer).__mro__ if kind.__module__.startswith("handson."))
    return next(name for name in kinds if registry.is_known("optimizer", name) or name == "Optimizer")


def _shape(optimizer: Any, slot: str, weight: Tensor, held: Tensor) -> tuple[int, ...]:
    """The shape of a slot in Keras, which has one also where it is not used."""
    if held.numel() or _base(optimizer) not in FILLED:
        return tuple(held.shape)
    return tuple(weight.shape) if slot == "velocity" else ()


def _product(optimizer: Any) -> float:
    steps = np.arange(1.0, optimizer.iterations + 1.0)
    return float(np.prod(optimizer.beta_1 * (1.0 - 0.5 * 0.96**steps))) if optimizer.iterations < 10_000 else 0.0
