"""Smooth functions that shapes and shades are made of: hills, strokes, ramps and noise.

Those of one place at a time are in C, ``kernels/c/faces.h``; here are the tables that they read, and functions of whole
arrays.
"""

from __future__ import annotations

import numpy as np

NOISE_SIZE = 64
# Bands of y, in millimetres, from above the brows to below the chin; further out the last one counts.
FIRST_BAND, BAND_HEIGHT, BANDS = -64.0, 3.0, 72
# Room for this many hills and as many strokes per kind.
MOST_MARKS = 20
# Where they lie in a scene.
MARK_FIELDS = tuple(
    field
    for kind in ("relief", "tone")
    for field in (
        (f"{kind}_hills", np.float64, (MOST_MARKS, 5)),
        (f"{kind}_hills_of_band", np.int8, (BANDS, 1 + MOST_MARKS)),
        (f"{kind}_strokes", np.float64, (MOST_MARKS, 7)),
        (f"{kind}_strokes_of_band", np.int8, (BANDS, 1 + MOST_MARKS)),
    )
)
# One fixed table of random values; scenes differ in where they read it.
NOISE_TABLE = np.random.Generator(np.random.Philox(key=20130507)).random((NOISE_SIZE, NOISE_SIZE), np.float32)


def write_marks(
    scenes: np.ndarray, kind: str, hills: list[tuple[float, ...]], strokes: list[tuple[float, ...]]
) -> None:
    """Write hills and strokes of a ``kind``, relief or tone, as ``hill_value`` and ``stroke_value`` read them.

    Hills are given as (x, y, radius along x, radius along y, amount); strokes as (x, half length, y, bow,
    tilt, half thickness, amount): a line from end to end, bowed by ``bow`` in the middle and ``tilt`` lower
    at its outer end than in the middle, that fades over a fifth of its half length beyond its ends.
    """
    table = scenes[f"{kind}_hills"][0, : len(hills)]
    table[:] = hills
    y, radius_y = table[:, 1], table[:, 3]
    list_bands(y - radius_y, y + radius_y, scenes[f"{kind}_hills_of_band"][0])
    table[:, 2:4] = 1.0 / table[:, 2:4]
    table = scenes[f"{kind}_strokes"][0, : len(strokes)]
    table[:] = strokes
    y, bow, slack = table[:, 2], table[:, 3], table[:, 5] + 1.2 * np.abs(table[:, 4])
    list_bands(
        y + np.minimum(0.0, bow) - slack,
        y + np.maximum(0.0, bow) + slack,
        scenes[f"{kind}_strokes_of_band"][0],
    )
    table[:, [1, 5]] = 1.0 / table[:, [1, 5]]


def list_bands(low: np.ndarray, high: np.ndarray, lists: np.ndarray) -> None:
    """Write for each band how many of the ranges from ``low`` to ``high`` touch it, and which."""
    top = (FIRST_BAND + BAND_HEIGHT * np.arange(BANDS))[:, None]
    touches = (low < top + BAND_HEIGHT) & (high > top)
    lists[:, 0] = touches.sum(1)
    bands, touching = np.nonzero(touches)
    # How many of a band came before.
    lists[bands, np.cumsum(touches, 1)[bands, touching]] = touching


def noise_field(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return smooth noise between 0 and 1 at the places of whole arrays; neighbouring integers are independent."""
    left, top = np.floor(across), np.floor(down)
    right_weight, low_weight = across - left, down - top
    right_weight = right_weight * right_weight * (3.0 - 2.0 * right_weight)
    low_weight = low_weight * low_weight * (3.0 - 2.0 * low_weight)
    column, row = left.astype(np.int64) & (NOISE_SIZE - 1), top.astype(np.int64) & (NOISE_SIZE - 1)
    right, low = (column + 1) & (NOISE_SIZE - 1), (row + 1) & (NOISE_SIZE - 1)
    upper = NOISE_TABLE[row, column] * (1.0 - right_weight) + NOISE_TABLE[row, right] * right_weight
    lower = NOISE_TABLE[low, column] * (1.0 - right_weight) + NOISE_TABLE[low, right] * right_weight
    return upper * (1.0 - low_weight) + lower * low_weight


def ramp_field(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 at ``low`` to 1 at ``high`` (``low`` may be the larger one) of whole arrays."""
    fraction = np.clip((values - low) / (high - low), 0.0, 1.0)
    return fraction * fraction * (3.0 - 2.0 * fraction)
