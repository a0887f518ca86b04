"""Smooth scalar functions that shapes and shades are made of: hills, strokes, ramps and noise.

The functions marked ``inner`` are compiled by numba and work on one place at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

import handson.kernels  # noqa: F401  (a cache for what is compiled)

# Compiled by numba and kept on disk. Division by zero gives infinity, as in numpy, instead of a check each
# time. Numba notices changes only in the file that a kernel is in: after changing an inner function, delete
# __pycache__.
kernel = njit(cache=True, error_model="numpy", fastmath=True, no_cfunc_wrapper=True)
# The same for functions that only kernels call: without wrappers for Python they compile in half the time.
inner = njit(error_model="numpy", fastmath=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
NOISE_SIZE = 64
# Bands of y, in millimetres, from above the brows to below the chin; further out the last one counts.
FIRST_BAND, BAND_HEIGHT, BANDS = -64.0, 3.0, 72
# Room for this many hills and as many strokes per kind.
MOST_MARKS = 20
# Where they lie in a scene. All that an inner function needs is in its scene or constant: numba would count
# an array among its arguments as used and unused at each call, and that takes longer than the rest of the
# function.
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


@inner
def hill(across, down):
    """Return a smooth elliptic hill: 1 at the origin, 0 from the unit circle outwards."""
    rest = max(0.0, 1.0 - across * across - down * down)
    return rest * rest


@inner
def ramp(low, high, value):
    """Return a smooth step from 0 at ``low`` to 1 at ``high`` (``low`` may be the larger one)."""
    fraction = min(1.0, max(0.0, (value - low) / (high - low)))
    return fraction * fraction * (3.0 - 2.0 * fraction)


@inner
def mix(first, second, weight):
    """Return ``first`` where ``weight`` is 0 and ``second`` where it is 1."""
    return first + (second - first) * weight


@inner
def noise(across, down):
    """Return smooth noise between 0 and 1; neighbouring integers are independent."""
    left, top = np.floor(across), np.floor(down)
    right_weight, low_weight = across - left, down - top
    right_weight *= right_weight * (3.0 - 2.0 * right_weight)
    low_weight *= low_weight * (3.0 - 2.0 * low_weight)
    column, row = np.int64(left) & (NOISE_SIZE - 1), np.int64(top) & (NOISE_SIZE - 1)
    right, low = (column + 1) & (NOISE_SIZE - 1), (row + 1) & (NOISE_SIZE - 1)
    upper = NOISE_TABLE[row, column] + (NOISE_TABLE[row, right] - NOISE_TABLE[row, column]) * right_weight
    lower = NOISE_TABLE[low, column] + (NOISE_TABLE[low, right] - NOISE_TABLE[low, column]) * right_weight
    return upper + (lower - upper) * low_weight


@inner
def hill_value(hills, row, away, y):
    """Return one hill of a table at ``away`` millimetres from the middle of the face."""
    across, down = (away - hills[row, 0]) * hills[row, 2], (y - hills[row, 1]) * hills[row, 3]
    rest = max(0.0, 1.0 - across * across - down * down)
    return hills[row, 4] * rest * rest


@inner
def stroke_value(strokes, row, away, y):
    """Return one stroke of a table at ``away`` millimetres from the middle of the face."""
    across = (away - strokes[row, 0]) * strokes[row, 1]
    square = across * across
    line = strokes[row, 2] + strokes[row, 3] * max(0.0, 1.0 - square) + strokes[row, 4] * across
    down = (y - line) * strokes[row, 5]
    rest = max(0.0, 1.0 - down * down)
    return strokes[row, 6] * rest * rest * min(1.0, max(0.0, 1.44 - square) * 1.6)


@inner
def band_of(y):
    """Return the band that a place lies in."""
    return int(min(BANDS - 1.0, max(0.0, (y - FIRST_BAND) / BAND_HEIGHT)))


def write_marks(
    scenes: np.ndarray, kind: str, hills: list[tuple[float, ...]], strokes: list[tuple[float, ...]]
) -> None:
    """Write hills and strokes of a ``kind``, relief or tone, as `hill_value` and `stroke_value` read them.

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


@kernel
def list_bands(low, high, lists):
    """Write for each band how many of the ranges from ``low`` to ``high`` touch it, and which."""
    for band in range(BANDS):
        top, count = FIRST_BAND + BAND_HEIGHT * band, 0
        for mark in range(low.shape[0]):
            if low[mark] < top + BAND_HEIGHT and high[mark] > top:
                count += 1
                lists[band, count] = mark
        lists[band, 0] = count


def noise_field(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return `noise` for whole arrays."""
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
    """Return `ramp` for whole arrays."""
    fraction = np.clip((values - low) / (high - low), 0.0, 1.0)
    return fraction * fraction * (3.0 - 2.0 * fraction)
