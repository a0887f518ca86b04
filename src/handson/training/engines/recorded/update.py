"""Which optimizers a step can be recorded with, and what of them the recorded step holds.

A recorded step holds no number that changes: what a schedule gives, or what depends on how many steps were done, the
host works out in double precision before the step (`Optimizer.numbers`) and puts into a tensor, which the optimizer's
formula reads in place of floats.
"""

from __future__ import annotations

from typing import Any

from handson.optimizers import Optimizer


def obstacle(optimizer: Optimizer) -> str | None:
    """Why steps of an optimizer cannot be recorded, None if they can.

    Examples
    --------
    >>> from handson.optimizers import SGD
    >>> obstacle(SGD()), obstacle(Optimizer()), obstacle(SGD(gradient_accumulation_steps=2))
    (None, 'the optimizer Optimizer', 'gradient_accumulation_steps=2')
    """
    # A class says so of itself: one derived from it may look at anything.
    if not vars(type(optimizer)).get("recordable", False):
        return f"the optimizer {type(optimizer).__name__}"
    return optimizer.eager_only()


def settings(optimizer: Optimizer) -> dict[str, Any]:
    """What a recorded step holds of an optimizer for good: everything but its numbers."""
    changing = {"_rate", "_position", "iterations", *optimizer.scheduled}
    held = {name: value for name, value in vars(optimizer).items() if name not in changing}
    return held | {"slots": tuple(optimizer.slot_values())}
