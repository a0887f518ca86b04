"""From seen triangles to brightness: hair, cloth and background, and the sum of light for each pixel.

The kernels are in ``kernels/c/faces_picture.c``, and the face itself in ``kernels/c/faces_skin.c``.
"""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import NOISE_TABLE
from handson.kernels.library import Int, Kernel, Pointer, Record


class _Picture(Record):
    scene: Pointer
    noise: Pointer
    triangles: Pointer
    parts: Pointer
    height: Int
    width: Int
    owner: Pointer
    weights: Pointer
    places: Pointer
    shade: Pointer
    gloss: Pointer
    picture: Pointer


_shade_pixels = Kernel("shade_pixels", _Picture)


def shade_pixels(scenes: np.ndarray, picture: np.ndarray, **seen: np.ndarray) -> None:
    """Write the brightness of every pixel.

    What is seen are `triangles` and their `parts`; for each pixel its `owner` and the `weights` of two corners; for
    each point `places`, `shade` and `gloss`.
    """
    height, width = picture.shape
    given = _Picture(scene=scenes, noise=NOISE_TABLE, height=height, width=width, picture=picture, **seen)
    _shade_pixels(given, 0, height)
