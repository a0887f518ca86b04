"""Initializers: those of `handson.initializers`, and their names in Keras 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.initializers import *  # noqa: F403

mirror(
    __name__,
    "handson.initializers",
    normal="handson.initializers:RandomNormal",
    one="handson.initializers:Ones",
    uniform="handson.initializers:RandomUniform",
    zero="handson.initializers:Zeros",
)
