"""From points of the head to pixels: pose, normals, depth buffer, light and shadows."""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import inner, kernel
from handson.faces.simulator.meshes import HEAD, TORSO

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


@kernel
def transform_points(points, matrix, offset, transformed):
    """Write ``matrix @ point + offset`` for each point; ``transformed`` may be ``points``."""
    for index in range(points.shape[0]):
        x, y, z = points[index, 0], points[index, 1], points[index, 2]
        transformed[index, 0] = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + offset[0]
        transformed[index, 1] = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + offset[1]
        transformed[index, 2] = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + offset[2]


@kernel
def draw_triangles(screen, triangles, parts, depth, owner, weights):
    """Draw triangles into the depth buffer; keep which one is seen and the weights of two of its corners.

    ``screen`` holds x, y in pixels and z towards the viewer. Only front faces are drawn, but for hair and
    cloth, which are sheets.
    """
    height, width = depth.shape
    for index in range(triangles.shape[0]):
        one, two, three = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        ax, ay, az = screen[one, 0], screen[one, 1], screen[one, 2]
        bx, by = screen[two, 0] - ax, screen[two, 1] - ay
        cx, cy = screen[three, 0] - ax, screen[three, 1] - ay
        area = bx * cy - by * cx
        if area == 0.0 or (area < 0.0 and parts[index] < TORSO):
            continue
        bz, cz = screen[two, 2] - az, screen[three, 2] - az
        left, right = np.ceil(ax + min(0.0, bx, cx)), np.floor(ax + max(0.0, bx, cx))
        top, low = np.ceil(ay + min(0.0, by, cy)), np.floor(ay + max(0.0, by, cy))
        bx, by, cx, cy = bx / area, by / area, cx / area, cy / area
        for row in range(max(0, int(top)), min(height - 1, int(low)) + 1):
            y = row - ay
            for column in range(max(0, int(left)), min(width - 1, int(right)) + 1):
                x = column - ax
                second, third = x * cy - y * cx, y * bx - x * by
                if second >= 0.0 and third >= 0.0 and second + third <= 1.0:
                    z = az + second * bz + third * cz
                    if z > depth[row, column]:
                        depth[row, column], owner[row, column] = z, index
                        weights[row, column, 0], weights[row, column, 1] = second, third


def light_frame(light: np.ndarray) -> np.ndarray:
    """Return the matrix whose rows are right, down and towards the light, seen from the light."""
    x, y, z = light
    level = np.hypot(x, z)
    return np.array([[z / level, 0.0, -x / level], [-x * y / level, level, -y * z / level], [x, y, z]])


@kernel
def light_points(scenes, grids, points, shadow_screen, shadow, shade, gloss):
    """Write the light that each point receives (``shade``) and mirrors to the viewer (``gloss``)."""
    scene = scenes[0]
    half = 1.0 / np.sqrt(2.0 + 2.0 * scene.light_z)
    start = 0
    for grid in range(grids.shape[0]):
        part, rows, columns = grids[grid, 0], grids[grid, 1], grids[grid, 2]
        for row in range(rows):
            above, below = max(0, row - 1), min(rows - 1, row + 1)
            for column in range(columns):
                left, right = max(0, column - 1), min(columns - 1, column + 1)
                index = start + row * columns + column
                x, y, z = _normal(
                    points,
                    start + row * columns + left,
                    start + row * columns + right,
                    start + above * columns + column,
                    start + below * columns + column,
                )
                # Sheets have two sides: the one that is seen is lit.
                if part >= TORSO and z < 0.0:
                    x, y, z = -x, -y, -z
                around = 1.0
                if part == HEAD and z > -0.2:
                    around = _open_sky(points, index, row, column, rows, columns, z)
                # Light enters skin and comes out beside the point: the terminator is softer than Lambert's.
                direct = max(0.0, (x * scene.light_x + y * scene.light_y + z * scene.light_z + 0.15) / 1.15)
                if direct > 0.0 and z > -0.2:
                    direct *= _unshadowed(shadow_screen, index, shadow)
                # What faces down is lit by the chest and the lip below.
                fill = scene.fill * max(0.0, 0.3 * z - 0.7 * x * scene.light_x) + 0.18 * scene.key * max(0.0, y)
                fill += scene.ambient * (0.65 - 0.16 * y + 0.2 * z)
                shade[index] = scene.key * direct * (0.45 + 0.55 * around) + fill * around
                facing = x * scene.light_x + y * scene.light_y + z * (scene.light_z + 1.0)
                gloss[index] = scene.key * min(1.0, 2.0 * direct) * max(0.0, facing * half) ** 16 * around
        start += rows * columns


@inner
def _normal(points, left, right, above, below):
    """Return the unit normal between four neighbours of a point."""
    ax, ay, az = (
        points[right, 0] - points[left, 0],
        points[right, 1] - points[left, 1],
        points[right, 2] - points[left, 2],
    )
    bx, by, bz = (
        points[below, 0] - points[above, 0],
        points[below, 1] - points[above, 1],
        points[below, 2] - points[above, 2],
    )
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    scale = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-9)
    return x * scale, y * scale, z * scale


@inner
def _open_sky(points, index, row, column, rows, columns, z):
    """Return how open the sky is over a point: about 1, less in hollows such as the sockets of the eyes."""
    sunk = 0.0
    for reach in range(2, 6, 3):
        above, below = index - min(row, reach) * columns, index + min(rows - 1 - row, reach) * columns
        left, right = index - min(column, reach), index + min(columns - 1 - column, reach)
        mean = 0.25 * (points[above, 2] + points[below, 2] + points[left, 2] + points[right, 2])
        sunk += max(-3.0, mean - points[index, 2]) / reach
    return 1.0 / (1.0 + 0.17 * max(-0.5, sunk * max(0.0, z)))


@inner
def _unshadowed(shadow_screen, index, shadow):
    """Return the share of a neighbourhood in the shadow map that does not hide the point from the light."""
    x, y, distance = shadow_screen[index, 0], shadow_screen[index, 1], shadow_screen[index, 2]
    column, row = int(x), int(y)
    if column < 1 or row < 1 or column > SHADOW_SIZE - 3 or row > SHADOW_SIZE - 3:
        return 1.0
    lit = 0.0
    for at_y in range(row - 1, row + 3):
        for at_x in range(column - 1, column + 3):
            # Tent weights, 16 in all; some tolerance, or slanted surfaces would shade themselves.
            weight = (2.0 - abs(at_y - y)) * (2.0 - abs(at_x - x))
            lit += weight * min(1.0, max(0.0, 1.9 + (distance - shadow[at_y, at_x]) * 0.15))
    return lit / 16.0
