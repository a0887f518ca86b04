"""From points of the head to pixels: pose, normals, depth buffer, light and shadows.

The kernels are in ``kernels/c/faces_drawing.c``.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record

SHADOW_SIZE = 64
# The shadow map spans this many millimetres, head and shoulders seen from any side.
SHADOW_SPAN = 330.0
# The y of the head that lies in the middle of the shadow map.
SHADOW_CENTRE = 20.0


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the matrix that turns by yaw (about y), then pitch (about x), then roll (about z); radians."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    about_y = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    cosine, sine = np.cos(pitch), np.sin(pitch)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])
    cosine, sine = np.cos(roll), np.sin(roll)
    about_z = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return about_z @ about_x @ about_y


class _Transform(Record):
    points: Pointer
    matrix: Pointer
    offset: Pointer
    transformed: Pointer


class _Triangles(Record):
    screen: Pointer
    triangles: Pointer
    parts: Pointer
    height: Int
    width: Int
    depth: Pointer
    owner: Pointer
    weights: Pointer


class _Light(Record):
    scene: Pointer
    grids: Pointer
    points: Pointer
    shadow_screen: Pointer
    shadow: Pointer
    shade: Pointer
    gloss: Pointer


_transform_points, _draw_triangles = Kernel("transform_points", _Transform), Kernel("draw_triangles", _Triangles)
_light_points = Kernel("light_points", _Light)


def transform_points(points: np.ndarray, matrix: np.ndarray, offset: np.ndarray, transformed: np.ndarray) -> None:
    """Write ``matrix @ point + offset`` for each point; ``transformed`` may be ``points``."""
    given = _Transform(points=points, matrix=np.ascontiguousarray(matrix), offset=offset, transformed=transformed)
    _transform_points(given, 0, len(points))


def draw_triangles(
    screen: np.ndarray, triangles: np.ndarray, parts: np.ndarray, depth: np.ndarray, owner: np.ndarray,
    weights: np.ndarray,
) -> None:  # fmt: skip
    """Draw triangles into the depth buffer; keep which one is seen and the weights of two of its corners.

    ``screen`` holds x, y in pixels and z towards the viewer. Only front faces are drawn, but for hair and
    cloth, which are sheets.
    """
    height, width = depth.shape
    given = _Triangles(
        screen=screen, triangles=triangles, parts=parts, height=height, width=width, depth=depth, owner=owner,
        weights=weights,
    )  # fmt: skip
    _draw_triangles(given, 0, len(triangles))


def light_frame(light: np.ndarray) -> np.ndarray:
    """Return the matrix whose rows are right, down and towards the light, seen from the light."""
    x, y, z = light
    level = np.hypot(x, z)
    return np.array([[z / level, 0.0, -x / level], [-x * y / level, level, -y * z / level], [x, y, z]])


def light_points(scenes: np.ndarray, grids: np.ndarray, **points: np.ndarray) -> None:
    """Write the light that each point receives (``shade``) and mirrors to the viewer (``gloss``).

    Given are the `points`, the `shadow_screen` that they fall on, and the `shadow` map.
    """
    _light_points(_Light(scene=scenes, grids=grids, **points), 0, len(grids))
