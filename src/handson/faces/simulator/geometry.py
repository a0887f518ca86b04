"""The surface of a head: a profile of cross-sections plus the relief of the face, and the landmarks on it.

The front of the head is a height field, z = base(x, y) + relief(x, y), so a landmark given by its x and y
lies on the surface exactly. The relief is in ``kernels/c/faces_shape.c``.
"""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import ramp_field
from handson.kernels.library import Kernel, Pointer, Record

# Cross-sections of an average head: y, half width, z of the widest place, z of the front, z of the back.
# Read off frontal and lateral anthropometric drawings (head breadth 152, length 193, vertex to chin 229).
_SECTIONS = np.array(
    [
        [-114.0, 0.0, -10.0, -10.0, -10.0],
        [-112.0, 22.0, -10.0, 18.0, -36.0],
        [-107.0, 40.0, -9.0, 42.0, -60.0],
        [-98.0, 55.0, -8.0, 61.0, -77.0],
        [-84.0, 67.0, -7.0, 77.0, -89.0],
        [-64.0, 73.5, -6.0, 88.0, -96.0],
        [-42.0, 75.0, -6.0, 93.0, -99.0],
        [-20.0, 73.5, -6.0, 93.5, -99.0],
        [0.0, 71.5, -6.0, 90.0, -96.0],
        [20.0, 70.0, -5.0, 90.5, -90.0],
        [40.0, 66.5, -3.0, 93.0, -78.0],
        [58.0, 61.5, 2.0, 94.0, -60.0],
        [73.0, 55.0, 9.0, 92.0, -42.0],
        [86.0, 47.0, 18.0, 88.5, -20.0],
        [96.0, 38.5, 27.0, 86.0, 2.0],
        [104.0, 30.0, 38.0, 83.0, 20.0],
        [110.0, 21.0, 47.0, 78.0, 34.0],
        [114.0, 10.0, 54.0, 69.0, 44.0],
        [115.0, 0.0, 58.0, 58.0, 58.0],
    ]
)
# The chin of the table; a person's own chin stretches the rows below the eyes.
AVERAGE_CHIN = 114.0
# Cross-sections are superellipses a little squarer than ellipses, as foreheads and cheeks are.
SQUARENESS = 2.08


def _smooth_rows(table: np.ndarray, count_per_gap: tuple[int, ...]) -> np.ndarray:
    """Return the rows of ``table`` with cubic in-between rows, as many per gap as asked."""
    slope = np.gradient(table, axis=0)
    rows = []
    for gap, count in enumerate(count_per_gap):
        part = np.arange(count)[:, None] / count
        rows.append(
            (1 + 2 * part) * (1 - part) ** 2 * table[gap]
            + part * (1 - part) ** 2 * slope[gap]
            + part**2 * (3 - 2 * part) * table[gap + 1]
            - part**2 * (1 - part) * slope[gap + 1]
        )
    rows.append(table[-1:])
    return np.concatenate(rows)


# About 2.7 millimetres between rows in the face, coarser on the skull: a pixel is 2 millimetres.
SECTIONS = _smooth_rows(_SECTIONS, (1, 1, 2, 2, 3, 5, 7, 8, 8, 8, 7, 6, 5, 4, 3, 2, 2, 1))
SECTIONS[:, 1] = np.maximum(SECTIONS[:, 1], 0.0)


def _columns() -> tuple[np.ndarray, np.ndarray]:
    """Return sine and cosine factors of the columns of the head, from back round the front to back."""
    even = np.linspace(-1.0, 1.0, 49)
    # Between equal steps of the angle and equal steps of x: fine at the nose, and not coarse on the sides.
    front = 0.5 * (even * np.pi / 2 + np.arcsin(even))
    side = np.linspace(np.pi / 2, np.pi, 5)[1:]
    angle = np.concatenate([-side[::-1], front, side])
    power = 2.0 / SQUARENESS
    sine = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    cosine = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    return np.where(np.abs(sine) < 1e-9, 0.0, sine), np.where(np.abs(cosine) < 1e-9, 0.0, cosine)


COLUMN_SINE, COLUMN_COSINE = _columns()
COLUMN_TURN = np.arctan2(COLUMN_SINE, COLUMN_COSINE)
# The seam at the back: the first column is the last one, seen from the other side.
COLUMN_TURN[0] = -np.pi
HEAD_SHAPE = (len(SECTIONS), len(COLUMN_SINE))


def person_sections(scene: np.void) -> np.ndarray:
    """Return the cross-sections, as in the table, of this person's head with this opening of the mouth."""
    sections = SECTIONS.copy()
    y, width, _, front, _ = SECTIONS.T
    jaw, below = ramp_field(10.0, 95.0, y), ramp_field(40.0, 95.0, y)
    full = np.maximum(0.0, 1.0 - ((y - 62.0) / 50.0) ** 2) ** 2
    sections[:, 1] = width * scene["head_width"] * (1.0 + (scene["jaw_width"] - 1.0) * jaw)
    sections[:, 1] *= 1.0 + 0.035 * scene["fullness"] * full
    # Dropping the jaw turns it about the ears: the chin goes down and back.
    sections[:, 0] = y * np.where(y > 0.0, scene["chin_y"] / AVERAGE_CHIN, scene["face_length"])
    sections[:, 0] += scene["jaw_drop"] * below
    sections[:, 3] = front - 0.25 * scene["jaw_drop"] * below
    return sections


class _Raised(Record):
    scene: Pointer
    points: Pointer
    forward: Pointer


_raise_points = Kernel("raise_points", _Raised)


def landmark_points(scenes: np.ndarray, sections: np.ndarray) -> np.ndarray:
    """Return the fifteen landmarks, in the competition's order, as points (15, 3) of the head."""
    scene = scenes[0]
    inner, outer = scene["eye_x"] - scene["eye_half_width"], scene["eye_x"] + scene["eye_half_width"]
    eye = (scene["eye_x"], 0.5 * (scene["lid_lower"] - scene["lid_upper"]))
    eye_ends = ((inner, scene["eye_tilt"]), (outer, -scene["eye_tilt"]))
    brow_ends = (
        (scene["brow_inner_x"], scene["brow_inner_y"]),
        (scene["brow_outer_x"], scene["brow_outer_y"]),
    )
    corner = (scene["corner_x"], scene["corner_y"])
    middle = ((0.0, scene["nose_tip_y"]), corner, corner, (0.0, scene["lip_top"]), (0.0, scene["lip_bottom"]))
    points = np.zeros((15, 3))
    points[:, :2] = (eye, eye, *eye_ends, *eye_ends, *brow_ends, *brow_ends, *middle)
    points[[1, 4, 5, 8, 9, 12], 0] *= -1.0
    # No expression is the same on both sides: one corner of the mouth and the other brow are a little lower.
    points[[11, 12], 1] += scene["lopsided"] * np.array([1.0, -1.0])
    points[6:10, 1] += 0.7 * scene["lopsided"] * np.array([-1.0, -1.0, 1.0, 1.0])
    width, centre, front = (np.interp(points[:, 1], sections[:, 0], column) for column in sections.T[1:4])
    sideways = np.minimum(1.0, np.abs(points[:, 0]) / width)
    forward = (1.0 - sideways**SQUARENESS) ** (1.0 / SQUARENESS)
    points[:, 2] = centre + (front - centre) * forward
    _raise_points(_Raised(scene=scenes, points=points, forward=forward), 0, len(points))
    return points
