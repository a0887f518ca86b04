"""Tests of the simulator of faces: whether the pictures show what the landmarks say."""

import math

import numpy as np
import pytest

from handson.faces import LANDMARKS
from handson.faces.simulator.parameters import PERSON_FIELDS, Draw, compose_scenes, sample_frame, sample_person
from handson.faces.simulator.render import TRIANGLES, Drawing, view_of

INDEX = {name: index for index, name in enumerate(LANDMARKS)}


def scene_of(seed=0, **changes):
    """Return a frontal, evenly lit, uncovered face with open eyes and closed mouth, but for ``changes``."""
    person = sample_person(Draw(np.random.default_rng(seed)))
    frame = sample_frame(Draw(np.random.default_rng(seed + 1000)))
    person |= {"glasses": 0.0, "hair_length": 0.0, "fringe": 0.0, "iris": 0.05, "skin": 0.45, "beard": 0.0}
    person |= {"moustache": 0.0, "stubble": 0.0}
    frame |= dict.fromkeys(("yaw", "pitch", "roll", "shift_x", "shift_y", "jaw_drop", "smile", "frown"), 0.0)
    frame |= dict.fromkeys(("gaze_x", "gaze_y", "occluder", "motion", "haze", "sharpening", "coarseness"), 0.0)
    frame |= {"light_x": 0.0, "light_y": -0.6, "light_z": 0.8, "key": 1.0, "ambient": 0.4, "fill": 0.1}
    frame |= {"scale": 0.535, "eyelid": 1.0, "blur": 0.4, "noise": 0.3, "exposure": 0.0, "ground": 0.2}
    for name, value in changes.items():
        (person if name in PERSON_FIELDS else frame)[name] = value
    return compose_scenes(person, frame)


def picture_of(seed=0, **changes):
    image, landmarks = Drawing(96).render(scene_of(seed, **changes), np.random.default_rng(0))
    return image.astype(float), landmarks


def brightness(image, point, reach=1):
    """Return the mean of the pixels around a point."""
    column, row = (math.floor(value + 0.5) for value in point)
    return image[row - reach : row + reach + 1, column - reach : column + reach + 1].mean()


@pytest.mark.parametrize("seed", range(6))
def test_landmarks_are_where_their_points_of_the_head_are_seen(seed):
    """Read off the drawing which place of the head each landmark's pixel shows: it must be the landmark's."""
    scenes = scene_of(seed, yaw=0.15 * (-1) ** seed, pitch=0.1, roll=0.2, jaw_drop=2.0 * seed, hairline=-90.0)
    drawing, view = Drawing(96), view_of(scenes[0], 120)
    head = drawing.draw(scenes, view)
    seen = view.project(head)
    for point, (x, y, z) in zip(head, seen, strict=True):
        column, row = round(x), round(y)
        corners = TRIANGLES[drawing.owner[row, column]]
        second, third = drawing.weights[row, column]
        place = np.array([1.0 - second - third, second, third]) @ drawing.places[corners, :2]
        # A pixel of the drawing is 1.5 millimetres wide, more where the surface is slanted.
        assert np.abs(place - point[:2]).max() < 2.0
        assert abs(drawing.depth[row, column] - z) < 3.0


SHARP = 384
PIXELS_PER_MILLIMETRE = 0.535 * SHARP / 96


def sharp_picture(seed, **changes):
    """Return a large picture without blur and noise, and its landmarks by name."""
    scenes = scene_of(seed, blur=0.0, noise=0.0, contrast=1.0, makeup=0.0, age=0.0, brow_raise=0.0, **changes)
    image, landmarks = Drawing(SHARP).render(scenes, np.random.default_rng(0))
    return image.astype(float), dict(zip(LANDMARKS, landmarks, strict=True))


def dark_range(line, inside):
    """Return the first and the last neighbour of ``inside`` that is more like it than like the rest."""
    threshold = 0.5 * (line[inside] + np.median(line))
    dark = np.abs(line - line[inside]) < np.abs(threshold - line[inside])
    return inside - np.argmin(dark[inside::-1]) + 1, inside + np.argmin(dark[inside:]) - 1


@pytest.mark.parametrize("seed", range(4))
def test_the_lips_end_where_the_landmarks_say(seed):
    # Black lips on pale skin: their edges can be measured.
    image, landmarks = sharp_picture(seed, lip_shade=0.03, lopsided=2.0, jaw_drop=0.0)
    top, bottom = landmarks["mouth_center_top_lip"], landmarks["mouth_center_bottom_lip"]
    column, row = (round(value) for value in 0.3 * top + 0.7 * bottom)
    start, stop = dark_range(image[row - 70 : row + 70, column], 70)
    assert start - 70 + row == pytest.approx(top[1], abs=1.5 * PIXELS_PER_MILLIMETRE)
    assert stop - 70 + row == pytest.approx(bottom[1], abs=1.5 * PIXELS_PER_MILLIMETRE)
    for corner, inwards in (("mouth_left_corner", -1), ("mouth_right_corner", 1)):
        # Two millimetres inside the corner lips are dark, two outside they have ended.
        step = np.array([2.0 * inwards * PIXELS_PER_MILLIMETRE, 0.0])
        inside, outside = (brightness(image, landmarks[corner] + sign * step, 1) for sign in (1, -1))
        assert inside < outside - 40.0
        for down in (-7.0, 7.0):
            away = landmarks[corner] + step + (0.0, down * PIXELS_PER_MILLIMETRE)
            assert inside < brightness(image, away, 1) - 15.0


@pytest.mark.parametrize("seed", range(4))
def test_the_brows_start_and_end_where_the_landmarks_say(seed):
    image, landmarks = sharp_picture(
        seed,
        brow_strength=1.0,
        brow_thickness=4.0,
        brow_arch=0.0,
        hair=0.01,
        lopsided=2.0,
        hairline=-95.0,
        recession=0.0,
        temples=0.0,
        baldness=0.0,
        brow_outer_x=50.0,
        lid_crease=0.0,
    )
    for side in ("left", "right"):
        inner, outer = landmarks[f"{side}_eyebrow_inner_end"], landmarks[f"{side}_eyebrow_outer_end"]
        along = (outer - inner) / np.hypot(*(outer - inner)) * PIXELS_PER_MILLIMETRE
        for end, inwards in ((inner, along), (outer, -along)):
            inside = brightness(image, end + 5.0 * inwards, 3)
            assert inside < brightness(image, end - 5.0 * inwards, 3) - 10.0
            for down in (-8.0, 8.0):
                away = end + 5.0 * inwards + (0.0, down * PIXELS_PER_MILLIMETRE)
                assert inside < brightness(image, away, 3) - 10.0


@pytest.mark.parametrize("seed", range(4))
def test_the_eyes_end_where_the_landmarks_say(seed):
    # White eyes in a black face.
    image, landmarks = sharp_picture(seed, skin=0.01, iris=0.4, eyelid=1.1, lid_crease=0.0, eye_height=1.0)
    for side in ("left", "right"):
        corners = [landmarks[f"{side}_eye_inner_corner"], landmarks[f"{side}_eye_outer_corner"]]
        low, high = (edge(place[0] for place in corners) for edge in (min, max))
        window = image[:, round(low) - 25 : round(high) + 25]
        row = round(0.5 * (corners[0][1] + corners[1][1]))
        bright = np.flatnonzero(window[row - 6 : row + 7].max(axis=0) > 0.5 * window[row - 6 : row + 7].max())
        found = np.array([bright.min(), bright.max()]) + round(low) - 25
        assert np.abs(found - (low, high)).max() < 2.5 * PIXELS_PER_MILLIMETRE
        centre = landmarks[f"{side}_eye_center"]
        assert abs(centre[0] - 0.5 * (low + high)) < 1.5 * PIXELS_PER_MILLIMETRE


def test_turning_the_head_moves_the_nose_most():
    offsets = []
    for yaw in (-0.4, 0.0, 0.4):
        _, landmarks = picture_of(yaw=yaw)
        offsets.append(landmarks[INDEX["nose_tip"], 0] - landmarks[:2, 0].mean())
    assert offsets[0] < -5.0
    assert abs(offsets[1]) < 0.01
    assert offsets[2] > 5.0
    _, level = picture_of()
    _, rolled = picture_of(roll=0.2)
    angle = math.atan2(*(rolled[0] - rolled[1])[::-1])
    assert level[0, 1] == pytest.approx(level[1, 1])
    assert angle == pytest.approx(0.2)


def test_eyes_are_dark_where_the_landmarks_say():
    for seed in range(8):
        image, landmarks = picture_of(seed)
        for eye in (0, 1):
            pupil = brightness(image, landmarks[eye] + (0.0, -0.5))
            # Six pixels is below the lower lid.
            assert pupil < brightness(image, landmarks[eye] + (0.0, 6.0)) - 15.0


def test_closed_eyes_hide_the_pupil():
    opened, closed = (
        np.mean([_left_eye_brightness(*picture_of(seed, eyelid=lid)) for seed in range(8)]) for lid in (1.0, 0.0)
    )
    assert closed > opened + 5.0


def _left_eye_brightness(image, landmarks):
    # A closed lid lies lower than the pupil did.
    return brightness(image, landmarks[0] - (0.0, 1.5))


def test_an_open_mouth_is_dark_between_the_lips():
    for seed in range(6):
        top, bottom = INDEX["mouth_center_top_lip"], INDEX["mouth_center_bottom_lip"]
        _, closed = picture_of(seed)
        wide, opened = picture_of(seed, jaw_drop=20.0)
        assert opened[bottom, 1] - opened[top, 1] > closed[bottom, 1] - closed[top, 1] + 6.0
        middle = 0.35 * opened[top] + 0.65 * opened[bottom]
        chin = opened[bottom] + (0.0, 4.0)
        assert brightness(wide, middle) < 0.7 * brightness(wide, chin)
        assert np.abs(opened[:2] - closed[:2]).max() < 0.01


def test_light_from_the_left_brightens_the_left_half():
    for side in (-0.7, 0.7):
        image, landmarks = picture_of(light_x=side, light_y=-0.3, light_z=math.sqrt(1 - side**2 - 0.09), ambient=0.2)
        left, right = (brightness(image, landmarks[eye] + (0.0, 9.0), 2) for eye in (0, 1))
        assert (left - right) * side > 10.0


def test_a_microphone_and_glasses_change_the_picture_but_no_landmark():
    plain, landmarks = picture_of(1)
    for change in ({"occluder": 1.0}, {"occluder": 2.0}, {"occluder": 3.0}, {"glasses": 1.0}):
        covered, same = picture_of(1, **change)
        assert (np.abs(covered - plain) > 8).sum() > 100
        np.testing.assert_array_equal(landmarks, same)
