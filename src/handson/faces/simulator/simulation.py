"""Simulated grey pictures of faces with exact landmarks, like those of "Facial Keypoints Detection"."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from handson.core.errors import HandsonError
from handson.faces.landmarks import COLUMNS, CORE, LANDMARKS
from handson.faces.simulator.parameters import Draw, compose_scenes, sample_frame, sample_person
from handson.faces.simulator.render import Drawing

# Two thirds of the competition's rows know only the core landmarks (2,155 of 7,049 training rows are complete).
CORE_ONLY_SHARE, GAPS_SHARE = 0.675, 0.02
_IS_CORE = np.array([name in CORE for name in LANDMARKS])
# Purposes of random streams: the same (seed, index) gives independent numbers for each.
_PERSON, _FRAME, _MISSING = range(3)
SMALLEST_SIZE, LARGEST_SIZE = 32, 512


class SimulatedFaces(NamedTuple):
    """What `simulate` returns.

    Attributes
    ----------
    images : numpy.ndarray
        Grey values, uint8, (n, size, size).
    landmarks : numpy.ndarray
        float32, (n, 30): x and y in pixels of each landmark, in the order of `handson.faces.COLUMNS`; NaN where
        missing. The picture spans 0 to size: the middle of its upper left pixel is (0.5, 0.5).
    groups : numpy.ndarray
        int32, (n,): the person each picture shows. Split by it: pictures of one person are alike.
    """

    images: np.ndarray
    landmarks: np.ndarray
    groups: np.ndarray


def simulate(
    n: int,
    seed: int = 0,
    *,
    size: int = 96,
    missing: str = "kaggle",
    frames_per_person: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedFaces:
    """Simulate pictures of faces with exact landmarks.

    Each picture is drawn from a three-dimensional head with hair, neck and shoulders under a light, seen by
    a camera. Persons differ in shape, skin, hair, glasses and clothes; pictures of one person in pose,
    expression, light, background, what covers the face, framing, blur and noise. The landmarks are
    projections of points of the head: exact even where hair, glasses or a hand hide them.

    Picture i depends on ``seed``, i, ``size`` and ``frames_per_person`` only: the first rows of a long run
    are those of a shorter one.

    Parameters
    ----------
    n : int
        How many pictures.
    seed : int, default=0
        Any integer from 0 to 2**64 - 1.
    size : int, default=96
        Height and width in pixels, 32 to 512.
    missing : {"kaggle", "none"}, default="kaggle"
        "kaggle": as in the competition only about 30 % of the rows are complete, most others know four
        landmarks (eye centres, nose tip, lower lip) and a few have single gaps. "none": all are known. In
        both, landmarks outside the picture are NaN.
    frames_per_person : int, default=4
        How many pictures in a row show the same person.
    progress : callable, optional
        Called as ``progress(done, n)`` after each picture.

    Returns
    -------
    SimulatedFaces
        ``images``, ``landmarks`` and ``groups``.

    Raises
    ------
    HandsonError
        If an argument is out of its range.

    Examples
    --------
    >>> faces = simulate(2, seed=1, missing="none")
    >>> faces.images.shape, faces.images.dtype, faces.landmarks.shape
    ((2, 96, 96), dtype('uint8'), (2, 30))
    >>> left, right = COLUMNS.index("left_eye_center_x"), COLUMNS.index("right_eye_center_x")
    >>> bool((faces.landmarks[:, left] > faces.landmarks[:, right]).all())
    True
    """
    _check(n, seed, size, missing, frames_per_person)
    images = np.empty((n, size, size), dtype=np.uint8)
    landmarks = np.empty((n, len(LANDMARKS), 2), dtype=np.float32)
    groups = (np.arange(n) // frames_per_person).astype(np.int32)
    drawing, person = Drawing(size), {}
    for index in range(n):
        if index % frames_per_person == 0:
            person = sample_person(Draw(_stream(seed, groups[index], _PERSON)))
        generator = _stream(seed, index, _FRAME)
        scenes = compose_scenes(person, sample_frame(Draw(generator)))
        images[index], centres = drawing.render(scenes, generator)
        landmarks[index] = centres + 0.5  # from middles of pixels to their edges
        if missing == "kaggle":
            landmarks[index, ~_known(_stream(seed, index, _MISSING))] = np.nan
        if progress is not None:
            progress(index + 1, n)
    outside = (landmarks < 0) | (landmarks >= size)
    landmarks[outside.any(axis=2)] = np.nan
    return SimulatedFaces(images, landmarks.reshape(n, len(COLUMNS)), groups)


def _check(n: int, seed: int, size: int, missing: str, frames_per_person: int) -> None:
    if n < 0:
        raise HandsonError(f"n must not be negative, got {n}")
    if not 0 <= seed < 2**64:
        raise HandsonError(f"seed must be from 0 to 2**64 - 1, got {seed}")
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise HandsonError(f"size must be from {SMALLEST_SIZE} to {LARGEST_SIZE} pixels, got {size}")
    if missing not in ("kaggle", "none"):
        raise HandsonError(f'missing must be "kaggle" or "none", got {missing!r}')
    if frames_per_person < 1:
        raise HandsonError(f"frames_per_person must be at least 1, got {frames_per_person}")


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of one person or picture; Philox makes any key an independent stream."""
    # As uint64: a list of large Python integers would become floats and lose digits.
    key = np.array([seed, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, purpose], dtype=np.uint64)))


def _known(generator: np.random.Generator) -> np.ndarray:
    """Return which landmarks of a row are known, in the pattern of the competition."""
    kind = generator.random()
    if kind < CORE_ONLY_SHARE:
        return _IS_CORE
    known = np.ones(len(LANDMARKS), dtype=bool)
    if kind < CORE_ONLY_SHARE + GAPS_SHARE:
        known[generator.choice(len(LANDMARKS), size=generator.integers(1, 4), replace=False)] = False
    return known
