"""Constraints: those of `handson.constraints`, and their names in Keras 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.constraints import *  # noqa: F403

mirror(
    __name__,
    "handson.constraints",
    maxnorm="handson.constraints:MaxNorm",
    nonneg="handson.constraints:NonNeg",
    unitnorm="handson.constraints:UnitNorm",
)
