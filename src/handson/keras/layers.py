"""Layers: those of `handson.layers`, and the ways in which older programs write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handson.keras.mirror import mirror

if TYPE_CHECKING:
    from handson.layers import *  # noqa: F403

_CONVOLUTIONS = {f"Convolution{count}D": f"Conv{count}D" for count in (1, 2, 3)}
_TRANSPOSED = {f"Convolution{count}DTranspose": f"Conv{count}DTranspose" for count in (1, 2, 3)}
_SEPARABLE = {f"SeparableConvolution{count}D": f"SeparableConv{count}D" for count in (1, 2)}
_POOLINGS = {
    f"{prefix}{short}Pool{count}D": f"{prefix}{long}Pooling{count}D"
    for prefix in ("", "Global")
    for short, long in (("Avg", "Average"), ("Max", "Max"))
    for count in (1, 2, 3)
}

mirror(
    __name__,
    "handson.layers",
    **{name: f"handson.layers:{home}" for name, home in (_CONVOLUTIONS | _TRANSPOSED | _SEPARABLE | _POOLINGS).items()},
)
