"""What differs between persons and between pictures: the numbers a scene is drawn from.

Lengths are millimetres in the coordinates of the head: x to the subject's left, y down, z towards the
viewer, the origin between the ears at the height of the eyes. Means follow L. G. Farkas, "Anthropometry of
the Head and Face" (1994): distance between the pupils 63, face breadth 137, eyes to chin 115, mouth width
50, nose protrusion 20. Reflectances are linear: 0 is black, 1 is white. Angles are radians.
"""

from __future__ import annotations

import numpy as np

from handson.faces.simulator.features import write_relief, write_tone
from handson.faces.simulator.fields import MARK_FIELDS

# fmt: off
PERSON_FIELDS = (
    "head_width", "face_length", "jaw_width", "masculinity", "age", "fullness",
    "eye_x", "eye_half_width", "eye_height", "eye_tilt", "eye_depth", "iris", "lid_crease",
    "brow_y", "brow_inner_x", "brow_outer_x", "brow_arch", "brow_thickness", "brow_strength",
    "nose_tip_y", "nose_height", "nose_width", "nose_hump",
    "mouth_y", "mouth_half_width", "lip_upper", "lip_lower", "lip_shade", "cheekbone", "chin", "chin_y",
    "skin", "skin_grain", "hair", "hair_thickness", "hairline", "recession", "baldness", "fringe", "parting",
    "temples", "curl",
    "hair_length", "hair_wave", "hair_open", "sideburn", "beard", "moustache", "stubble", "makeup",
    "ear_size", "ear_angle", "glasses", "glasses_rim", "glasses_rim_width", "lens_width", "lens_height",
    "lens_tint", "lens_squareness", "shoulders", "cloth", "shirt", "collar", "texture_seed",
)
FRAME_FIELDS = (
    "yaw", "pitch", "roll", "scale", "shift_x", "shift_y",
    "jaw_drop", "smile", "lopsided", "brow_raise", "frown", "eyelid", "gaze_x", "gaze_y",
    "light_x", "light_y", "light_z", "key", "fill", "ambient",
    "ground", "ground_contrast", "ground_x", "ground_y", "ground_detail", "ground_seed",
    "occluder", "occluder_x", "occluder_y", "occluder_angle", "occluder_size", "occluder_shade",
    "blur", "motion", "motion_angle", "exposure", "contrast", "gamma", "haze", "noise", "coarseness",
    "sharpening",
)
# Both together, plus what follows from them: the mouth, lids and brows of this expression.
EXPRESSION_FIELDS = (
    "corner_x", "corner_y", "lip_top", "lip_inner_top", "lip_inner_bottom", "lip_bottom", "chin_now",
    "lid_upper", "lid_lower", "brow_inner_y", "brow_outer_y",
)
# fmt: on
NUMBERS = PERSON_FIELDS + FRAME_FIELDS + EXPRESSION_FIELDS
SCENE = np.dtype([*((name, np.float64) for name in NUMBERS), *MARK_FIELDS])


class Draw:
    """Named draws of one random stream, each bounded, so that no face is monstrous."""

    def __init__(self, generator: np.random.Generator):
        # Drawn in bulk: single draws cost more than the rest of the sampling.
        self._normal = iter(generator.standard_normal(64).tolist())
        self._uniform = iter(generator.random(96).tolist())

    def normal(self, mean: float, deviation: float, limit: float = 2.3) -> float:
        """Return a normal number, clipped ``limit`` standard deviations from the mean."""
        return mean + deviation * min(limit, max(-limit, next(self._normal)))

    def uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high``."""
        return low + (high - low) * next(self._uniform)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return next(self._uniform) < probability


def sample_person(draw: Draw) -> dict[str, float]:
    """Return one identity: the shape of the head, its hair, skin, glasses and clothes."""
    masculinity = float(draw.chance(0.6)) * 0.7 + draw.uniform(0.0, 0.3)
    age = draw.uniform(0.0, 1.0) ** 1.3
    person = {"masculinity": masculinity, "age": age, "texture_seed": draw.uniform(0.0, 4000.0)}
    person |= _sample_shape(draw, masculinity, age)
    person |= _sample_eyes_and_brows(draw, masculinity, age)
    person |= _sample_skin_and_hair(draw, masculinity, age)
    person |= _sample_wear(draw, masculinity, age)
    return person


def _sample_shape(draw: Draw, masculinity: float, age: float) -> dict[str, float]:
    nose_tip_y = draw.normal(36.0, 2.4)
    mouth_y = draw.normal(68.0, 2.6) + 0.5 * (nose_tip_y - 36.0)
    return {
        "head_width": draw.normal(0.985 + 0.03 * masculinity, 0.04),
        "face_length": draw.normal(1.0, 0.035),
        "jaw_width": draw.normal(0.94 + 0.1 * masculinity, 0.05),
        "fullness": draw.normal(0.3, 0.6),
        "nose_tip_y": nose_tip_y,
        "nose_height": draw.normal(20.5 + 2.5 * masculinity, 2.2),
        "nose_width": draw.normal(16.0 + 2.0 * masculinity, 1.8),
        "nose_hump": draw.normal(0.5, 1.0),
        "mouth_y": mouth_y,
        "mouth_half_width": draw.normal(24.0 + 1.5 * masculinity, 2.0),
        "lip_upper": draw.normal(7.6 - 1.4 * age, 1.3),
        "lip_lower": draw.normal(9.6 - 1.6 * age, 1.4),
        "cheekbone": draw.normal(3.5, 2.0),
        "chin": draw.normal(6.0 + 2.0 * masculinity, 2.0),
        "chin_y": mouth_y + draw.normal(44.0, 2.6),
    }


def _sample_eyes_and_brows(draw: Draw, masculinity: float, age: float) -> dict[str, float]:
    return {
        "eye_x": draw.normal(31.2, 1.3),
        "eye_half_width": draw.normal(12.6, 0.7),
        "eye_height": draw.normal(1.0, 0.14),
        "eye_tilt": draw.normal(0.8, 0.9),
        "eye_depth": draw.normal(0.7 + 0.5 * masculinity, 0.25),
        "iris": draw.uniform(0.02, 0.13),
        "lid_crease": draw.uniform(0.1, 1.0),
        "brow_y": draw.normal(-21.8 + 1.5 * masculinity, 2.0),
        "brow_inner_x": draw.normal(17.5, 1.8),
        "brow_outer_x": draw.normal(54.5, 1.8),
        "brow_arch": draw.normal(6.0 - 2.0 * masculinity, 1.6),
        "brow_thickness": draw.normal(3.2 + 2.2 * masculinity, 0.8),
        "brow_strength": draw.uniform(0.65, 1.0) - 0.2 * age,
        "makeup": draw.uniform(0.2, 1.0) * (masculinity < 0.35),
    }


def _sample_skin_and_hair(draw: Draw, masculinity: float, age: float) -> dict[str, float]:
    # Linear reflectances: pale skin returns about half of the red and green light, dark skin a tenth.
    skin = draw.uniform(0.30, 0.55) if draw.chance(0.76) else draw.uniform(0.09, 0.26)
    grey = draw.chance(max(0.0, 1.3 * age - 0.5))
    hair = draw.uniform(0.16, 0.42) if grey or (skin > 0.35 and draw.chance(0.2)) else draw.uniform(0.012, 0.10)
    male = masculinity > 0.5
    long = draw.chance(0.1 if male else 0.72)
    bald = male and draw.chance(0.08 + 0.25 * age)
    bearded, moustached = male and draw.chance(0.18), male and draw.chance(0.2)
    curly = draw.chance(0.35 if skin < 0.27 else 0.1)
    fringed = draw.chance(0.04 if curly else 0.15 if male else 0.36) and not bald
    thickness = draw.uniform(3.0, 11.0) if male else draw.uniform(7.0, 18.0)
    return {
        "skin": skin,
        "skin_grain": draw.uniform(0.02, 0.08) + 0.05 * age,
        "hair": hair,
        "lip_shade": draw.uniform(0.6, 0.88) - 0.12 * (not male),
        "hair_thickness": thickness + draw.uniform(0.0, 14.0) * curly,
        "curl": float(curly),
        "hairline": draw.normal(-62.0 if male else -68.0, 5.0),
        "recession": draw.uniform(0.0, 30.0) * age if male else 0.0,
        "baldness": float(bald) * draw.uniform(0.7, 1.0),
        "fringe": draw.uniform(12.0, 42.0) * fringed,
        "temples": draw.uniform(0.0, 8.0 if male else 26.0) * (not fringed),
        "parting": draw.normal(0.0, 1.0),
        "hair_length": draw.uniform(50.0, 190.0) if long and not bald else 0.0,
        "hair_wave": draw.uniform(0.0, 1.0),
        "hair_open": draw.uniform(0.95, 1.25),
        "sideburn": draw.uniform(5.0, 30.0),
        "beard": draw.uniform(0.5, 1.0) * bearded,
        "moustache": draw.uniform(0.5, 1.0) * (moustached or (bearded and draw.chance(0.8))),
        "stubble": draw.uniform(0.0, 0.45) * male,
    }


def _sample_wear(draw: Draw, masculinity: float, age: float) -> dict[str, float]:
    glasses = draw.chance(0.08 + 0.12 * age)
    return {
        "ear_size": draw.normal(0.95, 0.09),
        "ear_angle": draw.normal(0.45, 0.13),
        "glasses": float(glasses),
        "glasses_rim": draw.uniform(0.01, 0.06) if draw.chance(0.75) else draw.uniform(0.12, 0.35),
        "glasses_rim_width": draw.uniform(0.6, 1.9),
        "lens_width": draw.uniform(22.0, 28.0),
        "lens_height": draw.uniform(14.0, 21.0),
        "lens_tint": draw.uniform(0.0, 0.12) if draw.chance(0.88) else draw.uniform(0.4, 0.85),
        "lens_squareness": draw.uniform(2.0, 4.5),
        "shoulders": draw.normal(0.0, 10.0),
        "cloth": draw.uniform(0.015, 0.12) if draw.chance(0.65) else draw.uniform(0.12, 0.6),
        "shirt": draw.uniform(0.35, 0.8),
        "collar": float(draw.chance(0.3 + 0.45 * masculinity)),
    }


def sample_frame(draw: Draw) -> dict[str, float]:
    """Return one picture: pose, expression, light, what is behind and before the head, and the camera."""
    return _sample_pose(draw) | _sample_expression(draw) | _sample_light(draw) | _sample_camera(draw)


def _sample_pose(draw: Draw) -> dict[str, float]:
    # Most heads look almost at the camera, one in five does not; radians.
    turned = draw.chance(0.22)
    return {
        "yaw": np.clip(draw.normal(0.0, 0.53 if turned else 0.19), -0.75, 0.75),
        "pitch": draw.normal(0.0, 0.14),
        "roll": draw.normal(0.0, 0.125),
        "scale": draw.normal(0.535, 0.032),
        "shift_x": draw.normal(0.0, 3.0),
        "shift_y": draw.normal(0.5, 2.8),
    }


def _sample_expression(draw: Draw) -> dict[str, float]:
    talking, blinking = draw.chance(0.5), draw.chance(0.08)
    return {
        "jaw_drop": abs(draw.normal(0.0, 9.0)) if talking else 0.0,
        "smile": draw.uniform(0.3, 1.0) if draw.chance(0.36) else draw.normal(0.0, 0.15),
        "lopsided": draw.normal(0.0, 0.9),
        "brow_raise": draw.normal(0.0, 2.0),
        "frown": max(0.0, draw.normal(0.0, 0.5)),
        "eyelid": draw.uniform(0.0, 0.35) if blinking else draw.normal(0.88, 0.14),
        "gaze_x": draw.normal(0.0, 2.2),
        "gaze_y": draw.normal(0.2, 0.9),
    }


def _sample_light(draw: Draw) -> dict[str, float]:
    azimuth, elevation = draw.normal(0.0, 0.6), draw.normal(0.7, 0.28)
    occluder = draw.uniform(0.0, 1.0)
    return {
        "light_x": np.sin(azimuth) * np.cos(elevation),
        "light_y": -np.sin(elevation),
        "light_z": np.cos(azimuth) * np.cos(elevation),
        "key": draw.uniform(0.55, 1.25),
        "fill": draw.uniform(0.0, 0.25),
        "ambient": draw.uniform(0.12, 0.5),
        "ground": draw.uniform(0.0, 0.8) ** 2.6,
        "ground_contrast": draw.uniform(0.0, 1.0),
        "ground_x": draw.uniform(-1.0, 1.0),
        "ground_y": draw.uniform(-1.0, 1.0),
        "ground_detail": draw.uniform(0.0, 1.0),
        "ground_seed": draw.uniform(0.0, 4000.0),
        "occluder": 1.0 if occluder < 0.045 else 2.0 if occluder < 0.08 else 3.0 if occluder < 0.1 else 0.0,
        "occluder_x": draw.uniform(-45.0, 45.0),
        "occluder_y": draw.uniform(60.0, 105.0),
        "occluder_angle": draw.uniform(-0.8, 0.8),
        "occluder_size": draw.uniform(0.75, 1.25),
        "occluder_shade": draw.uniform(0.01, 0.3),
    }


def _sample_camera(draw: Draw) -> dict[str, float]:
    return {
        "blur": draw.uniform(0.2, 0.8) if draw.chance(0.62) else draw.uniform(0.7, 2.1),
        "motion": draw.uniform(1.0, 4.0) * draw.chance(0.1),
        "motion_angle": draw.uniform(0.0, np.pi),
        "exposure": draw.normal(-0.38, 0.42),
        "contrast": draw.normal(1.22, 0.15),
        "gamma": draw.normal(0.5, 0.06),
        "haze": max(0.0, draw.normal(-0.01, 0.05)),
        "noise": draw.uniform(0.3, 3.0),
        "coarseness": draw.uniform(0.0, 1.0) ** 2.0,
        "sharpening": draw.uniform(0.2, 1.2) * draw.chance(0.4),
    }


def compose_scenes(person: dict[str, float], frame: dict[str, float]) -> np.ndarray:
    """Return person and frame as an array of one record, with the expression worked out in millimetres."""
    values = person | frame | _express(person, frame)
    scenes = np.zeros(1, dtype=SCENE)
    # The numbers come first: written at once, not one by one.
    scenes.view(np.uint8)[: 8 * len(NUMBERS)].view(np.float64)[:] = [values[name] for name in NUMBERS]
    write_relief(scenes)
    write_tone(scenes)
    return scenes


def _express(person: dict[str, float], frame: dict[str, float]) -> dict[str, float]:
    drop, smile, mouth_y = frame["jaw_drop"], frame["smile"], person["mouth_y"]
    thinned = 1.0 - 0.25 * max(0.0, smile)
    inner_top = mouth_y - 0.12 * drop - 1.2 * max(0.0, smile)
    # A broad smile bares the teeth even with the jaws closed.
    inner_bottom = mouth_y + 0.88 * drop + 5.0 * max(0.0, smile - 0.55)
    open_now = min(1.15, max(0.0, frame["eyelid"])) * (1.0 - 0.25 * max(0.0, smile))
    lower = person["eye_height"] * (3.6 - 0.8 * max(0.0, smile))
    upper = person["eye_height"] * 7.0
    return {
        "corner_x": person["mouth_half_width"] * (1.0 + 0.16 * smile) - 0.12 * drop,
        "corner_y": mouth_y - 4.5 * smile + 0.38 * drop - 0.6,
        "lip_inner_top": inner_top,
        "lip_inner_bottom": inner_bottom,
        "lip_top": inner_top - person["lip_upper"] * thinned,
        "lip_bottom": inner_bottom + person["lip_lower"] * thinned,
        "chin_now": person["chin_y"] + drop,
        "lid_upper": upper * open_now - 0.6 * lower * (1.0 - open_now),
        "lid_lower": lower * (0.6 + 0.4 * open_now),
        "brow_inner_y": person["brow_y"] - frame["brow_raise"] * 1.2 + 2.5 * frame["frown"],
        "brow_outer_y": person["brow_y"] + 4.5 - 0.7 * frame["brow_raise"],
    }
