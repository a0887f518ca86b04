"""Regularizers: those of `handson.regularizers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.regularizers import *  # noqa: F403

# Keras 1 had the same penalties under other names for a layer's activity_regularizer.
mirror(
    __name__,
    "handson.regularizers",
    activity_l1="handson.regularizers:l1",
    activity_l2="handson.regularizers:l2",
    activity_l1l2="handson.regularizers:l1_l2",
    l1l2="handson.regularizers:l1_l2",
)
