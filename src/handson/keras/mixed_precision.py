"""Policies of types under their older names."""

from __future__ import annotations

from handson.keras.mirror import mirror

mirror(
    __name__,
    DTypePolicy="handson.keras.dtype_policies:DTypePolicy",
    LossScaleOptimizer="handson.optimizers:LossScaleOptimizer",
    Policy="handson.keras.dtype_policies:DTypePolicy",
    dtype_policy="handson.keras.config:dtype_policy",
    global_policy="handson.keras.config:dtype_policy",
    set_dtype_policy="handson.keras.config:set_dtype_policy",
    set_global_policy="handson.keras.config:set_dtype_policy",
)
