"""Optimizers: those of `handson.optimizers`, and their names in Keras 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.optimizers import *  # noqa: F403

_CLASSES = ("Adadelta", "Adagrad", "Adam", "Adamax", "Nadam", "RMSprop", "SGD")

mirror(
    __name__,
    "handson.optimizers",
    schedules=f"{__name__}.schedules",
    **{name.lower(): f"handson.optimizers:{name}" for name in _CLASSES},
)
