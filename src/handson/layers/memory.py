"""Whether the weights of a layer fit into the memory that is free."""

from __future__ import annotations

import math
from collections.abc import Sequence

from handson.core.errors import HandsonError
from handson.data.rows.free_memory import free_memory

# Weights of fewer bytes fit into any memory.
LARGE = 1 << 30


def check_memory(layer: str, name: str, shape: Sequence[int]) -> None:
    """Raise when a weight does not fit into the memory that is free."""
    size = 4 * math.prod(shape)
    if size > LARGE and size > (free_memory() or math.inf):
        raise HandsonError(
            f"layer {layer!r}: {name} has shape {tuple(shape)} and takes {size:,} bytes, more than the memory that is "
            f"free. Give the layer fewer units or filters, or the net smaller inputs."
        )
