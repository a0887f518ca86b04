"""What a camera and a video codec do to a picture: blur, exposure, noise, and the blocks of JPEG."""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record

GRAIN_SIZE = 256
# Sensor noise is read from one fixed table, at a place of its own for each picture: drawing it afresh would
# take a tenth of the time that a picture takes.
GRAIN_TABLE = np.random.Generator(np.random.Philox(key=19930216)).standard_normal((GRAIN_SIZE, GRAIN_SIZE))
BLOCK = 8
_ORDER = np.arange(BLOCK)
_SCALE = np.where(_ORDER == 0, 0.5**0.5, 1.0)[:, None] / 2
# The orthonormal cosine transform of JPEG (ITU-T T.81, annex A.3.3).
COSINES = _SCALE * np.cos((2 * _ORDER[None, :] + 1) * _ORDER[:, None] * np.pi / 16)
# The luminance table of the same standard (annex K.1).
# fmt: off
QUANTA = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
], dtype=np.float64)
# fmt: on


class _Filter(Record):
    source: Pointer
    kernels: Pointer
    starts: Pointer
    rows: Int
    columns: Int
    width: Int
    target: Pointer


_filter_rows = Kernel("filter_rows", _Filter)


def filter_rows(source: np.ndarray, kernels: np.ndarray, starts: np.ndarray, target: np.ndarray) -> None:
    """Write weighted sums of the rows of ``source``; outside, its border is repeated.

    Row r of the result is the sum of ``kernels[r, k]`` times source row ``starts[r] + k``. Nothing has gaps.
    """
    (rows, columns), (places, width) = source.shape, kernels.shape
    given = _Filter(
        source=source, kernels=kernels, starts=starts, rows=rows, columns=columns, width=width, target=target
    )
    _filter_rows(given, 0, places)


def gaussian(size: int, source_size: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return kernels and starts for `filter_rows` that shrink to ``size`` and blur by ``sigma``.

    ``sigma`` is in pixels of the small picture; the box of a pixel adds its own variance.
    """
    ratio = source_size / size
    centre = (np.arange(size) + 0.5) * ratio - 0.5
    spread = ratio * np.sqrt(sigma**2 + 1.0 / 12.0)
    reach = int(np.ceil(2.5 * spread))
    starts = np.floor(centre).astype(np.int64) - reach
    kernels = np.exp(-0.5 * ((starts[:, None] + np.arange(2 * reach + 2) - centre[:, None]) / spread) ** 2)
    return kernels / kernels.sum(axis=1, keepdims=True), starts


def blur(picture: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Return ``picture`` shrunk to ``size`` pixels and blurred by ``sigma`` of them."""
    kernels, starts = gaussian(size, len(picture), sigma)
    half, small = np.empty((size, len(picture))), np.empty((size, size))
    filter_rows(picture, kernels, starts, half)
    filter_rows(np.ascontiguousarray(half.T), kernels, starts, small)
    return np.ascontiguousarray(small.T)


def shake(picture: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Return the mean of copies of ``picture`` moved along a line of ``length`` pixels: a moving camera."""
    steps = np.linspace(-0.5, 0.5, 2 * int(np.ceil(length)) + 1) * length
    reach = int(np.ceil(length))
    wide = np.pad(picture, reach, mode="edge")
    height, width = picture.shape
    total = np.zeros_like(picture)
    for step in steps:
        top, left = reach + round(step * np.sin(angle)), reach + round(step * np.cos(angle))
        total += wide[top : top + height, left : left + width]
    return total / len(steps)


def develop(scene: np.void, picture: np.ndarray) -> np.ndarray:
    """Return grey values of a picture of brightnesses: automatic exposure, tone curve, haze, contrast."""
    # A camera brightens dark scenes, but not all the way.
    gain = 0.21 * (picture.mean() / 0.21) ** -0.55 * np.exp(scene["exposure"]) / 0.21
    # Powers of single precision are many times faster.
    value = np.maximum(0.0, picture * gain).astype(np.float32)
    value = scene["haze"] + (1.0 - scene["haze"]) * (1.35 * value / (1.0 + 0.35 * value)) ** np.float32(scene["gamma"])
    return (255.0 * ((value - 0.4) * scene["contrast"] + 0.4)).astype(np.float64)


def quantise(picture: np.ndarray, coarseness: float) -> np.ndarray:
    """Return ``picture`` with cosine coefficients rounded to ``coarseness`` times the standard's steps."""
    size = len(picture)
    padded = picture - 128.0
    if size % BLOCK:
        padded = np.pad(padded, (0, -size % BLOCK), mode="edge")
    count = len(padded) // BLOCK
    steps = np.tile(QUANTA * coarseness, (count, count))
    coefficients = np.round(_by_blocks(padded, COSINES) / steps) * steps
    return _by_blocks(coefficients, COSINES.T)[:size, :size] + 128.0


def _by_blocks(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return ``matrix @ block @ matrix.T`` for each 8 x 8 block."""
    kernels = np.tile(matrix, (len(picture) // BLOCK, 1))
    starts = np.repeat(np.arange(0, len(picture), BLOCK), BLOCK)
    half, whole = np.empty_like(picture), np.empty_like(picture)
    filter_rows(picture, kernels, starts, half)
    filter_rows(np.ascontiguousarray(half.T), kernels, starts, whole)
    return np.ascontiguousarray(whole.T)


def photograph(scene: np.void, picture: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Return the grey photograph (size, size), uint8, of a picture of brightnesses."""
    small = blur(picture, size, scene["blur"] * size / 96.0)
    if scene["motion"] > 0.0:
        small = shake(small, scene["motion"] * size / 96.0, scene["motion_angle"])
    grey = develop(scene, small)
    if scene["sharpening"] > 0.0:
        grey += scene["sharpening"] * (grey - blur(grey, size, 1.3))
    if scene["coarseness"] > 0.1:
        grey = quantise(grey, scene["coarseness"])
    rows, columns = (np.arange(size) + place for place in generator.integers(GRAIN_SIZE, size=(2, 1)))
    grey += scene["noise"] * GRAIN_TABLE[rows[:, None] % GRAIN_SIZE, columns % GRAIN_SIZE] + 0.5
    return np.clip(grey, 0.0, 255.0, out=grey).astype(np.uint8)
