"""The meshes of a scene: head with short hair, ears, neck, shoulders and long hair, all as grids of points.

Each point has a position in millimetres and a place, from which its reflectance is worked out: three
numbers that tell where on its part it lies, for the head x, y and the turn from the front in radians.
"""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import NOISE_TABLE, noise_field, ramp_field
from handson.faces.simulator.geometry import COLUMN_COSINE, COLUMN_SINE, COLUMN_TURN, HEAD_SHAPE
from handson.kernels.library import Int, Kernel, Pointer, Record

HEAD, EAR, NECK, TORSO, CURTAIN = 0, 1, 2, 3, 4
# Part, rows and columns of each grid, in the order of their points. Long hair comes last: some have none.
GRIDS = np.array(
    [
        (HEAD, *HEAD_SHAPE),
        (EAR, 7, 11),
        (EAR, 7, 11),
        (NECK, 7, 21),
        (TORSO, 8, 25),
        (CURTAIN, 18, 41),
    ]
)
STARTS = np.concatenate([[0], np.cumsum(GRIDS[:, 1] * GRIDS[:, 2])])
POINTS = int(STARTS[-1])


def topology(stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return triangles (t, 3) and their parts; of the head, take each ``stride``-th row and column."""
    triangles, parts = [], []
    for (part, rows, columns), start in zip(GRIDS, STARTS, strict=False):
        point = start + np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
        if part == HEAD:
            point = point[::stride, ::stride]
        one, two, three, four = point[:-1, :-1], point[:-1, 1:], point[1:, :-1], point[1:, 1:]
        pair = [np.stack([one, two, three], axis=-1), np.stack([two, four, three], axis=-1)]
        triangles.append(np.stack(pair, axis=2).reshape(-1, 3))
        parts.append(np.full(len(triangles[-1]), part, dtype=np.int8))
    return np.concatenate(triangles).astype(np.int32), np.concatenate(parts)


class _Head(Record):
    scene: Pointer
    noise: Pointer
    sections: Pointer
    columns: Int
    sine: Pointer
    cosine: Pointer
    turn: Pointer
    points: Pointer
    places: Pointer


_build_head = Kernel("build_head", _Head)


def build_head(scenes: np.ndarray, sections: np.ndarray, points: np.ndarray, places: np.ndarray) -> None:
    """Write the head: skull, face and the short hair that stands off the scalp."""
    head = _Head(
        scene=scenes, noise=NOISE_TABLE, sections=np.ascontiguousarray(sections), columns=len(COLUMN_SINE),
        sine=COLUMN_SINE, cosine=COLUMN_COSINE, turn=COLUMN_TURN, points=points, places=places,
    )  # fmt: skip
    _build_head(head, 0, len(sections))


def _grid(rows: int, columns: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each point of a grid its row between 0 and 1 and its column between ``low`` and ``high``."""
    down, across = np.meshgrid(np.linspace(0.0, 1.0, rows), np.linspace(low, high, columns), indexing="ij")
    return down.ravel(), across.ravel()


def _ear() -> np.ndarray:
    """Return back, down, outwards and radius of the points of an ear: a disc with rim and hollow."""
    radius, angle = _grid(*GRIDS[1, 1:], 0.0, -2.0 * np.pi)
    out = 5.0 * np.maximum(0.0, 1.0 - ((radius - 0.78) / 0.35) ** 2) ** 2
    out -= 3.0 * np.maximum(0.0, 1.0 - (radius / 0.6) ** 2) ** 2 + 5.0 * ramp_field(0.9, 1.0, radius)
    back = 16.0 * radius * np.cos(angle) * (1.0 - 0.2 * np.sin(angle))
    return np.stack([back, 31.0 * radius * np.sin(angle), out, radius])


def _neck() -> np.ndarray:
    """Return right, y, front and turn of the points of a neck of radius 1, a slightly slanted cylinder."""
    down, turn = _grid(*GRIDS[3, 1:], -np.pi, np.pi)
    wide = 1.0 + 0.55 * ramp_field(0.65, 1.0, down)
    return np.stack([wide * np.sin(turn), 45.0 + 145.0 * down, np.cos(turn), turn])


def _torso() -> np.ndarray:
    """Return the points of the chest: one sheet that rises to the neck and falls to the shoulders."""
    down, across = _grid(*GRIDS[4, 1:], -1.0, 1.0)
    slope = 104.0 - 20.0 * np.maximum(0.0, 1.0 - (across / 0.5) ** 2) ** 2 + 46.0 * across**2
    front = -62.0 + 112.0 * np.sqrt(down * (1.0 - 0.9 * across**2))
    return np.stack([230.0 * across, slope + 150.0 * down**2, front], axis=1)


EAR_TEMPLATE, NECK_TEMPLATE, TORSO_TEMPLATE = _ear(), _neck(), _torso()


def build_ears(scene: np.void, points: np.ndarray, places: np.ndarray) -> None:
    """Write the right and the left ear, tilted out of the side of the head."""
    sine, cosine, count = np.sin(scene["ear_angle"]), np.cos(scene["ear_angle"]), EAR_TEMPLATE.shape[1]
    back, down, out, radius = EAR_TEMPLATE
    back = 13.0 + scene["ear_size"] * back
    ear = np.stack(
        [
            70.0 * scene["head_width"] + back * sine + out * cosine,
            12.0 + scene["ear_size"] * down,
            -2.0 - back * cosine + out * sine,
        ],
        axis=1,
    )
    points[:count], points[count:] = ear, ear
    # Mirrored, the columns run the other way round, or the triangles would show their backs.
    mirrored = points[count:].reshape(*GRIDS[2, 1:], 3)
    mirrored[:] = mirrored[:, ::-1] * (-1.0, 1.0, 1.0)
    places[:count, 0] = places[count:, 0] = radius


def build_neck(scene: np.void, points: np.ndarray, places: np.ndarray) -> None:
    """Write the neck, that starts inside the head."""
    right, y, front, turn = NECK_TEMPLATE
    radius = 49.0 + 9.0 * scene["masculinity"]
    points[:, 0], points[:, 1], points[:, 2] = radius * right, y, -14.0 - 0.083 * y + radius * front
    places[:, 0], places[:, 1], places[:, 2] = points[:, 0], y, turn


def build_curtain(scene: np.void, points: np.ndarray, places: np.ndarray) -> None:
    """Write long hair: a sheet round the back of the head, open in front, that hangs below the ears."""
    down, part = _grid(*GRIDS[5, 1:], 0.0, 1.0)
    y = -92.0 + (92.0 + scene["hair_length"]) * down
    turn = scene["hair_open"] + (2.0 * np.pi - 2.0 * scene["hair_open"]) * part
    seed = scene["texture_seed"]
    wide = 71.0 * scene["head_width"] + 0.9 * scene["hair_thickness"]
    wide = wide * np.sqrt(1.0 - 0.75 * ramp_field(0.0, -120.0, y))
    wide += scene["hair_wave"] * (5.0 * np.sin(y * 0.09 + 6.0 * part + seed) + 10.0 * ramp_field(20.0, 140.0, y))
    wide += 8.0 * (noise_field(part * 19.0 + seed, y * 0.02) - 0.5)
    edge = ramp_field(0.10, 0.0, np.minimum(part, 1.0 - part))
    points[:, 0] = (wide - 9.0 * edge) * np.sin(turn)
    points[:, 1] = y
    points[:, 2] = -4.0 + (wide + 18.0 - 8.0 * edge) * np.cos(turn)
    places[:, 0], places[:, 1], places[:, 2] = points[:, 0], y, turn
