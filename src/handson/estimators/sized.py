"""The net that is taken where none is given, sized to the data: it trains in seconds on a table of usual size."""

from __future__ import annotations

from typing import Any

from handson.layers import Dense
from handson.optimizers import AdamW
from handson.schedules import OneCycle

# Steps of the default training: small tables are seen many times, large ones a few times.
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 4000, 5, 200


def hidden_layers(rows: int, features: int) -> list[Any]:
    """Two dense layers, wider for more rows and columns.

    Examples
    --------
    >>> [layer.units for layer in hidden_layers(150, 4)], [layer.units for layer in hidden_layers(50_000, 100)]
    ([32, 32], [256, 256])
    """
    wanted = (rows * max(features, 1)) ** 0.5
    units = next(size for size in (32, 64, 128, 256) if size >= wanted / 4 or size == 256)
    return [Dense(units, activation="relu", kernel_initializer="he_normal") for _ in range(2)]


def batch_size(rows: int) -> int:
    """Rows in a step: a fiftieth of them, between 32 and 256.

    Examples
    --------
    >>> batch_size(150), batch_size(5000), batch_size(1_000_000)
    (32, 100, 256)
    """
    return max(32, min(256, rows // 50))


def epochs(rows: int, batch: int) -> int:
    """How many times the rows are seen.

    Examples
    --------
    >>> epochs(150, 32), epochs(5000, 100), epochs(1_000_000, 256)
    (200, 80, 5)
    """
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, STEPS // -(-rows // batch)))


def optimizer() -> Any:
    """Adam with decoupled weight decay, its rate rising and falling over the training."""
    return AdamW(OneCycle(0.005), weight_decay=0.01)
