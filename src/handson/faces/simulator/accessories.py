"""What covers parts of a face: glasses, a microphone, a hand, something held or hanging before it."""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import noise_field, ramp_field

MICROPHONE, HAND, OBJECT = 1, 2, 3


class Canvas:
    """A picture being drawn, its depths, and the way from the coordinates of the head to its pixels.

    ``project`` maps an array of points (n, 3) of the head to x, y in pixels and z in millimetres.
    """

    def __init__(self, picture, depth, project):
        self.picture, self.depth, self.project = picture, depth, project

    def window(self, corners: np.ndarray, margin: float) -> tuple[slice, slice] | None:
        """Return rows and columns of the picture around ``corners``, points (n, 2); None if it is empty."""
        side = len(self.picture)
        low = np.clip(np.floor(corners.min(axis=0) - margin), 0, side).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0) + margin) + 1, 0, side).astype(int)
        return (slice(low[1], high[1]), slice(low[0], high[0])) if np.all(high > low) else None

    def panel(self, origin, across, down):
        """Return window, a, b and visibility of the plane ``origin + a * across + b * down``.

        Both a and b are -1 at one edge and 1 at the other.
        None if the plane is seen from its edge or lies outside the picture.
        """
        origin, across, down = np.asarray(origin), np.asarray(across), np.asarray(down)
        points = self.project(np.stack([origin, origin + across, origin + down]))
        (x, y, z), (ax, ay, az), (bx, by, bz) = points[0], points[1] - points[0], points[2] - points[0]
        area = ax * by - ay * bx
        signs = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
        window = self.window((x, y) + signs @ np.array([(ax, ay), (bx, by)]), 1.0)
        if window is None or abs(area) < 1.0:
            return None
        rows, columns = _pixels(window)
        a = ((columns - x) * by - (rows - y) * bx) / area
        b = ((rows - y) * ax - (columns - x) * ay) / area
        visible = z + a * az + b * bz > self.depth[window] - 4.0
        return window, a, b, visible

    def cover(self, window, tone, share) -> None:
        """Replace ``share`` of the brightness in ``window`` by ``tone``."""
        self.picture[window] += (tone - self.picture[window]) * share


def _pixels(window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows, as a column, and the columns, as a row, of a window."""
    rows, columns = window
    return np.arange(rows.start, rows.stop)[:, None], np.arange(columns.start, columns.stop)[None, :]


def draw_glasses(scene: np.void, canvas: Canvas, eye_z: float) -> None:
    """Draw rims, lenses, bridge and temples of glasses that stand a little before the eyes."""
    width, height, rim = scene["lens_width"], scene["lens_height"], scene["glasses_rim_width"]
    light = 0.55 * scene["key"] + scene["ambient"]
    front, middle, temple = eye_z + 17.0, scene["eye_x"] + 2.0, 74.0 * scene["head_width"]
    outer = middle + width
    for side in (-1.0, 1.0):
        arm = (side * (outer + temple) / 2, -5.0, (front - 15.0) / 2)
        _strip(
            canvas,
            arm,
            (side * (temple - outer) / 2, 0.0, -(front + 15.0) / 2),
            1.4 + 0.5 * rim,
            scene["glasses_rim"] * light,
        )
        panel = canvas.panel((side * middle, 2.0, front), (1.25 * width, 0.0, 0.0), (0.0, 1.25 * height, 0.0))
        if panel is None:
            continue
        window, a, b, visible = panel
        power = scene["lens_squareness"]
        radius = (np.abs(1.25 * a) ** power + np.abs(1.25 * b) ** power) ** (1.0 / power)
        inside = ramp_field(1.0, 0.97, radius) * visible
        mirror = 0.10 * scene["key"] * ramp_field(0.9, -0.6, a * side + b)
        tinted = canvas.picture[window] * (1.0 - scene["lens_tint"]) + mirror * (0.25 + scene["lens_tint"])
        canvas.cover(window, tinted, inside)
        distance = np.abs(radius - 1.0) * min(width, height) * 1.1
        canvas.cover(window, scene["glasses_rim"] * light, ramp_field(rim + 0.7, rim - 0.7, distance) * visible)
    _strip(
        canvas,
        (0.0, -2.5, front + 1.0),
        (middle - width + 1.0, 0.0, 0.0),
        0.6 + 0.5 * rim,
        scene["glasses_rim"] * light,
    )


def _strip(canvas: Canvas, origin, along, thickness: float, tone: float) -> None:
    """Draw a level bar from ``origin - along`` to ``origin + along``."""
    panel = canvas.panel(origin, along, (0.0, 3.0 * thickness, 0.0))
    if panel is not None:
        window, a, b, visible = panel
        share = ramp_field(thickness + 0.8, thickness - 0.8, np.abs(b) * 3.0 * thickness)
        canvas.cover(window, tone, share * visible * (np.abs(a) < 1.0))


def draw_occluder(scene: np.void, canvas: Canvas, scale: float) -> None:
    """Draw what is held before the face; ``scale`` is in pixels per millimetre."""
    anchor = canvas.project(np.array([[scene["occluder_x"], scene["occluder_y"], 80.0]]))[0, :2]
    size, angle, shade = scene["occluder_size"] * scale, scene["occluder_angle"], scene["occluder_shade"]
    down = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    kind = int(scene["occluder"])

    def draw(first: np.ndarray, length: float, radius: float, tone: float, roughness: float = 0.0) -> None:
        _capsule(scene, canvas, first, first + length * size * down, radius * size, tone, roughness)

    if kind == MICROPHONE:
        draw(anchor, 10.0, 21.0, 0.5 * shade + 0.01, 0.5)
        draw(anchor + 24.0 * size * down, 166.0, 12.0, 0.02)
    elif kind == HAND:
        for finger in range(4):
            tip = (finger - 1.5) * 15.0 * across + abs(finger - 1.3) * 7.0 * down
            draw(anchor + size * tip, 70.0, 8.2, scene["skin"])
        draw(anchor + 85.0 * size * down, 45.0, 33.0, scene["skin"])
    else:
        # An arm in a sleeve, a scarf, the back of somebody's head.
        middle, reach = anchor + 30.0 * size * down, 170.0 * size * across
        _capsule(scene, canvas, middle - reach, middle + reach, 44.0 * size, shade, 0.3)


def _capsule(scene: np.void, canvas: Canvas, start, stop, radius: float, tone: float, roughness: float) -> None:
    """Draw a rounded cylinder between two places of the picture, lit like everything else."""
    window = canvas.window(np.stack([start, stop]), radius + 1.0)
    if window is None:
        return
    rows, columns = _pixels(window)
    axis = stop - start
    along = ((columns - start[0]) * axis[0] + (rows - start[1]) * axis[1]) / (axis @ axis)
    along = np.clip(along, 0.0, 1.0)
    x, y = (columns - start[0] - along * axis[0]) / radius, (rows - start[1] - along * axis[1]) / radius
    square = x * x + y * y
    z = np.sqrt(np.maximum(0.0, 1.0 - square))
    facing = np.maximum(0.0, x * scene["light_x"] + y * scene["light_y"] + z * scene["light_z"] + 0.15)
    light = scene["key"] * facing / 1.15 + scene["ambient"] * (0.45 + 0.4 * z - 0.15 * y)
    if roughness > 0.0:
        light *= 1.0 + roughness * (noise_field(columns * 0.3 + scene["texture_seed"], rows * 0.3) - 0.5)
    share = ramp_field(1.0 + 1.0 / radius, 1.0 - 1.0 / radius, np.sqrt(square))
    canvas.cover(window, tone * light, share)
