"""The net that is taken where none is given, sized to the data: it trains in seconds on a table of usual size."""

from __future__ import annotations

import math
from typing import Any

from handson.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from handson.optimizers import AdamW
from handson.schedules import OneCycle

# Steps of the default training: small tables are seen many times, large ones a few times.
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 4000, 5, 200
# The share of units that are dropped in a step.
DROPPED = 0.1


def hidden_layers(rows: int, shape: tuple[int, ...]) -> list[Any]:
    """Two dense layers, wider for more rows and columns; for images, convolutions before one.

    Parameters
    ----------
    rows : int
        How many rows train.
    shape : tuple of int
        The shape of a row.

    Examples
    --------
    >>> [[layer.units for layer in hidden_layers(*size)[::2]] for size in ((150, (4,)), (9000, (50,)))]
    [[64, 64], [128, 128]]
    >>> [type(layer).__name__ for layer in hidden_layers(1000, (8, 8, 1))]
    ['Conv2D', 'MaxPooling2D', 'Conv2D', 'Flatten', 'Dropout', 'Dense', 'Dropout']
    """
    if len(shape) == 3 and min(shape[:2]) >= 4:
        return [*_convolutions(shape), Flatten(), Dropout(0.25), _dense(128), Dropout(DROPPED)]
    start = [] if len(shape) == 1 else [Flatten()]
    units = next(size for size in (64, 128, 256) if size >= (rows * math.prod(shape)) ** 0.5 / 6 or size == 256)
    return [*start, _dense(units), Dropout(DROPPED), _dense(units), Dropout(DROPPED)]


def _dense(units: int) -> Any:
    return Dense(units, activation="relu", kernel_initializer="he_normal")


def _convolutions(shape: tuple[int, ...]) -> list[Any]:
    """Convolutions of twice as many filters after each pooling, until the image is small."""
    found: list[Any] = []
    side, filters = min(shape[:2]), 32
    while True:
        found.append(Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"))
        if side < 8:
            return found
        found.append(MaxPooling2D())
        side, filters = side // 2, min(2 * filters, 128)


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


def optimizer(rows: int) -> Any:
    """Adam with decoupled weight decay, its rate rising and falling over the training; few rows need more decay.

    Examples
    --------
    >>> round(optimizer(200).weight_decay, 2), round(optimizer(8000).weight_decay, 2)
    (1.0, 0.27)
    """
    return AdamW(OneCycle(0.01), weight_decay=round(min(1.0, (300 / rows) ** 0.4), 3))
