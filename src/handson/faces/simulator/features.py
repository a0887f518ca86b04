"""The features of a face as tables of hills and strokes: those of its relief and those of its tone.

Rows are (x, y, radius along x, radius along y, amount) for hills and (x, half length, y, bow, tilt, half
thickness, amount) for strokes, as `fields.write_marks` takes them; millimetres. Amounts are millimetres
towards the viewer in the relief, and the share of light that is swallowed in the tone.
"""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.fields import write_marks


def write_relief(scenes: np.ndarray) -> None:
    """Write hills and strokes that stand out of the smooth head (the ridge of the nose apart)."""
    scene = scenes[0]
    smile, eye_x, tip = max(0.0, scene["smile"]), scene["eye_x"], scene["nose_tip_y"]
    depth, masculinity, chin = scene["eye_depth"], scene["masculinity"], scene["chin_now"]
    wing = scene["nose_width"] - 4.5
    middle = 0.5 * (scene["lip_inner_top"] + scene["lip_inner_bottom"])
    hills = [
        # Sockets of the eyes, deepest beside the nose; in them the balls under their lids.
        (eye_x - 1.0, -1.0, 22.0, 17.0, -7.0 * depth),
        (15.0, 0.0, 11.0, 12.0, -4.5 * depth),
        (eye_x, 0.0, 16.0, 12.0, 5.5),
        (27.0, scene["brow_y"] + 3.0, 30.0, 11.0, 1.0 + 3.0 * masculinity),
        (0.0, scene["brow_y"] + 2.0, 14.0, 10.0, 2.0),
        (eye_x, 14.0, 15.0, 6.0, 1.6 * scene["age"]),
        # Cheekbones, the cheeks below them, and what a smile lifts.
        (47.0, 28.0, 30.0, 28.0, scene["cheekbone"]),
        (46.0, 66.0, 22.0, 28.0, 2.5 * scene["fullness"] - 2.0),
        (38.0, 38.0, 20.0, 20.0, 4.0 * smile),
        # Tip and wings of the nose; the groove below it.
        (0.0, tip, 11.5, 11.0, 4.5),
        (wing, tip + 4.0, 7.5, 8.0, 6.5),
        (0.0, tip + 19.0, 5.0, 9.0, -1.2),
        # The teeth push the mouth out; below the lips a hollow, then the chin.
        (0.0, middle - 4.0, 46.0, 38.0, 6.0),
        (0.0, scene["lip_bottom"] + 6.0, 24.0, 10.0, -2.4),
        (0.0, chin - 14.0, 32.0, 28.0, 0.55 * scene["chin"]),
        (0.0, chin - 10.0, 22.0, 16.0, 1.0 + masculinity),
    ]
    corner_x, corner_y = scene["corner_x"], scene["corner_y"]
    upper = 0.7 * scene["lip_top"] + 0.3 * scene["lip_inner_top"]
    lower = 0.4 * scene["lip_bottom"] + 0.6 * scene["lip_inner_bottom"]
    fold = 0.3 + 1.0 * scene["age"] + 1.4 * smile
    # The upper lip juts out at its edge and recedes to the mouth; the lower lip is fullest near the mouth.
    strokes = [
        (0.0, corner_x, corner_y, upper - corner_y, 0.0, 0.8 * scene["lip_upper"] + 3.0, 1.9),
        (0.0, corner_x, corner_y, lower - corner_y, 0.0, 0.8 * scene["lip_lower"] + 3.0, 2.4),
        _fold_of_cheek(scene, 10.0, -fold),
    ]
    write_marks(scenes, "relief", hills, strokes)


def write_tone(scenes: np.ndarray) -> None:
    """Write hills and strokes that darken the skin: blood, hollows, lids, lashes, folds."""
    scene = scenes[0]
    smile, age, makeup = max(0.0, scene["smile"]), scene["age"], scene["makeup"]
    eye_x, tip, width = scene["eye_x"], scene["nose_tip_y"], scene["nose_width"]
    old = max(0.0, age - 0.3)
    hills = [
        # Blood in cheeks and nose, shadow under the brow, rouge on the lids.
        (42.0, 36.0, 30.0, 25.0, 0.09 + 0.05 * makeup),
        (0.0, 38.0, 18.0, 14.0, 0.06),
        (eye_x - 1.0, -8.0, 28.0, 21.0, 0.20),
        (eye_x, -6.0, 19.0, 9.0, 0.24 * makeup),
        # Nostrils and the underside of the nose.
        (0.47 * width, tip + 9.0, 4.8, 3.0, 0.62),
        (0.0, tip + 12.0, width, 6.0, 0.05),
        # Corners of the mouth.
        (scene["corner_x"] + 1.0, scene["corner_y"], 5.0, 4.5, 0.30),
        # Upright lines between the brows.
        (5.5, -14.0, 2.4, 11.0, 0.3 * scene["frown"] + 0.3 * old),
    ]
    write_marks(scenes, "tone", hills, _eye_strokes(scene) + _skin_strokes(scene, old, smile))


def _eye_strokes(scene: np.void) -> list[tuple[float, ...]]:
    eye_x, half, tilt, age, makeup = (
        scene["eye_x"],
        scene["eye_half_width"],
        -scene["eye_tilt"],
        scene["age"],
        scene["makeup"],
    )
    upper, lower = scene["lid_upper"], scene["lid_lower"]
    opened = max(0.0, upper) / 6.0
    return [
        (eye_x, 1.06 * half, 0.0, -upper, tilt, 1.8 + 0.6 * makeup, 0.78 + 0.18 * makeup),
        (eye_x, half, 0.0, lower, tilt, 1.5, 0.34),
        # The crease of the upper lid follows it; the bag lies under the lower one.
        (eye_x, 1.1 * half, -1.8, -(upper + 1.0 + 1.6 * opened), tilt, 1.6, 0.42 * scene["lid_crease"]),
        (eye_x - 1.0, 0.95 * half, 3.0, lower + 2.5, 0.0, 2.6, 0.05 + 0.16 * age),
    ]


def _skin_strokes(scene: np.void, old: float, smile: float) -> list[tuple[float, ...]]:
    tip, width, raised = scene["nose_tip_y"], scene["nose_width"], max(0.0, scene["brow_raise"])
    lines = min(0.22, 0.15 * old + 0.03 * raised)
    lip_bottom, corner_y = scene["lip_bottom"], scene["corner_y"]
    strokes = [
        _fold_of_cheek(scene, 6.5, 0.03 + 0.12 * old + 0.09 * smile),
        # The crease behind the wing of the nose, and the shadow under the lower lip.
        (width + 0.5, 3.0, tip + 4.5, 0.0, 5.0, 5.5, 0.26),
        (0.0, 0.8 * scene["corner_x"], corner_y + 4.0, lip_bottom - corner_y, 0.0, 4.0, 0.16),
    ]
    strokes += [
        (0.0, 36.0, y, -3.0, 0.0, 2.2, lines * share) for y, share in ((-37.0, 0.8), (-46.0, 1.0), (-55.0, 0.7))
    ]
    return strokes


def _fold_of_cheek(scene: np.void, thickness: float, amount: float) -> tuple[float, ...]:
    """Return the stroke from the wing of the nose to beside the corner of the mouth."""
    x_top, y_top = scene["nose_width"] + 3.0, scene["nose_tip_y"] + 4.0
    x_end, y_end = scene["corner_x"] + 7.0, scene["corner_y"] + 3.0
    half = 0.5 * (x_end - x_top)
    return (x_top + half, half, 0.5 * (y_top + y_end), -2.0, 0.5 * (y_end - y_top), thickness, amount)
