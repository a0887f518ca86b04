"""Tests of the simulator of faces: what it returns, and how that is spread."""

import ctypes
import re

import numpy as np
import pytest

from handson.faces import COLUMNS, LANDMARKS
from handson.faces.simulator import simulation
from handson.faces.simulator.parameters import (
    FRAME_FIELDS,
    PERSON_FIELDS,
    SCENE,
    Draw,
    compose_scenes,
    sample_frame,
    sample_person,
)
from handson.faces.simulator.simulation import _known, _stream, simulate
from handson.kernels.library import SOURCES, loaded

# The header of the competition's training.csv, without its Image column.
HEADER = (
    "left_eye_center_x,left_eye_center_y,right_eye_center_x,right_eye_center_y,left_eye_inner_corner_x,"
    "left_eye_inner_corner_y,left_eye_outer_corner_x,left_eye_outer_corner_y,right_eye_inner_corner_x,"
    "right_eye_inner_corner_y,right_eye_outer_corner_x,right_eye_outer_corner_y,left_eyebrow_inner_end_x,"
    "left_eyebrow_inner_end_y,left_eyebrow_outer_end_x,left_eyebrow_outer_end_y,right_eyebrow_inner_end_x,"
    "right_eyebrow_inner_end_y,right_eyebrow_outer_end_x,right_eyebrow_outer_end_y,nose_tip_x,nose_tip_y,"
    "mouth_left_corner_x,mouth_left_corner_y,mouth_right_corner_x,mouth_right_corner_y,"
    "mouth_center_top_lip_x,mouth_center_top_lip_y,mouth_center_bottom_lip_x,mouth_center_bottom_lip_y"
)
INDEX = {name: index for index, name in enumerate(LANDMARKS)}
CORE = ["left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip"]


@pytest.fixture(scope="module")
def faces():
    return simulate(160, seed=3, missing="none")


@pytest.fixture(scope="module")
def points(faces):
    return faces.landmarks.reshape(-1, 15, 2)


def test_shapes_types_and_names():
    images, landmarks, groups = simulate(5, seed=2, frames_per_person=2)
    assert images.shape == (5, 96, 96)
    assert images.dtype == np.uint8
    assert landmarks.shape == (5, 30)
    assert landmarks.dtype == np.float32
    assert groups.tolist() == [0, 0, 1, 1, 2]
    assert groups.dtype == np.int32
    assert ",".join(COLUMNS) == HEADER
    assert len(simulate(0).images) == 0


def test_a_shorter_run_is_the_beginning_of_a_longer_one():
    short, long = simulate(7, seed=1), simulate(19, seed=1)
    for one, other in zip(short, long, strict=True):
        np.testing.assert_array_equal(one, other[:7])


def test_two_runs_are_equal_and_share_no_memory():
    first = simulate(3, seed=5)
    kept = [array.copy() for array in first]
    for array in first:
        array[:] = 1
    for one, other in zip(kept, simulate(3, seed=5), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (2**60, 2**60 + 1), (2**64 - 2, 2**64 - 1)])
def test_seeds_differ(one, other):
    first, second = simulate(2, seed=one, missing="none"), simulate(2, seed=other, missing="none")
    assert (first.images != second.images).mean() > 0.5
    assert not np.array_equal(first.landmarks, second.landmarks, equal_nan=True)


def test_pictures_of_a_person_share_the_person_only():
    # With one picture per person, picture 0 shows person 0 as well, but picture 1 another in the same pose.
    together, alone = simulate(2, seed=4, frames_per_person=2), simulate(2, seed=4, frames_per_person=1)
    np.testing.assert_array_equal(together.images[0], alone.images[0])
    assert (together.images[1] != alone.images[1]).mean() > 0.3
    frames = [sample_frame(Draw(_stream(4, index, 1))) for index in range(2)]
    person = sample_person(Draw(_stream(4, 0, 0)))
    first, second = (compose_scenes(person, frame)[0] for frame in frames)
    assert all(first[name] == second[name] for name in PERSON_FIELDS)
    assert sum(first[name] != second[name] for name in FRAME_FIELDS) > len(FRAME_FIELDS) // 2


def test_landmarks_lie_as_in_a_face(faces, points):
    x, y = points[..., 0], points[..., 1]
    for left in (name for name in LANDMARKS if "left" in name):
        right = left.replace("left", "right")
        # Comparisons with NaN are False: ask for the opposite never to happen.
        assert not (x[:, INDEX[left]] <= x[:, INDEX[right]]).any(), left
    eyes = 0.5 * (y[:, 0] + y[:, 1])
    for above, below in (
        ("nose_tip", "mouth_center_top_lip"),
        ("mouth_center_top_lip", "mouth_center_bottom_lip"),
    ):
        assert not (y[:, INDEX[above]] >= y[:, INDEX[below]]).any()
    assert not (eyes >= y[:, INDEX["nose_tip"]]).any()
    brows = np.nanmean(y[:, [INDEX["left_eyebrow_inner_end"], INDEX["right_eyebrow_inner_end"]]], axis=1)
    assert not (brows >= eyes).any()


def test_pose_is_that_of_the_competition(points):
    # Means of 2,865 frames of public videos, boxed by a face detector.
    expected = {
        "left_eye_center": (63.6, 36.6),
        "right_eye_center": (31.7, 36.9),
        "nose_tip": (48.5, 55.8),
        "mouth_left_corner": (61.3, 71.9),
        "mouth_right_corner": (35.5, 72.4),
        "mouth_center_bottom_lip": (48.7, 78.7),
        "left_eyebrow_outer_end": (76.0, 28.0),
        "right_eyebrow_inner_end": (38.1, 26.5),
    }
    for name, place in expected.items():
        assert np.abs(np.nanmean(points[:, INDEX[name]], axis=0) - place).max() < 4.0, name
        spread = np.nanstd(points[:, INDEX[name]], axis=0)
        assert 4.0 < spread[0] < 18.0, name
        assert 2.0 < spread[1] < 8.0, name


def test_missing_pattern_of_the_competition():
    known = np.stack([_known(_stream(7, index, 2)) for index in range(4000)])
    count = known.sum(axis=1)
    core = np.isin(LANDMARKS, CORE)
    assert (count == 15).mean() == pytest.approx(0.305, abs=0.03)
    assert (count == 4).mean() == pytest.approx(0.675, abs=0.03)
    assert (known[count == 4] == core).all()
    gaps = (count != 4) & (count != 15)
    assert 0.01 < gaps.mean() < 0.035
    assert count[gaps].min() >= 12


def test_missing_changes_no_picture_and_no_known_landmark():
    some, every = simulate(24, seed=8), simulate(24, seed=8, missing="none")
    np.testing.assert_array_equal(some.images, every.images)
    known = np.isfinite(some.landmarks)
    assert 0.3 < known.mean() < 0.8
    np.testing.assert_array_equal(some.landmarks[known], every.landmarks[known])
    assert (known[:, 0::2] == known[:, 1::2]).all()


def test_landmarks_outside_the_picture_are_missing(monkeypatch):
    inside = simulate(8, seed=9, missing="none").landmarks.reshape(8, 15, 2)
    assert np.isfinite(inside).all()
    moved = inside + np.array([[0.0, -35.0]], dtype=np.float32)
    shift = [sample_frame(Draw(_stream(9, index, 1)))["shift_y"] - 35.0 for index in range(8)]
    shifts = iter(shift)
    monkeypatch.setattr(simulation, "sample_frame", lambda draw: sample_frame(draw) | {"shift_y": next(shifts)})
    found = simulate(8, seed=9, missing="none").landmarks.reshape(8, 15, 2)
    visible = moved[..., 1] >= 0
    assert 0.2 < visible.mean() < 0.8
    np.testing.assert_allclose(found[visible], moved[visible], atol=1e-3)
    assert np.isnan(found[~visible]).all()


def test_brightness_and_variation(faces):
    pictures = faces.images.reshape(len(faces.images), -1).astype(float)
    mean, deviation = pictures.mean(axis=1), pictures.std(axis=1)
    # Real ones: means 69 to 139 (tenth to ninetieth hundredth), deviations 30 to 58.
    assert 80 < np.median(mean) < 125
    assert 18 < mean.std() < 45
    assert 30 < np.median(deviation) < 55
    assert deviation.min() > 8
    assert (np.corrcoef(pictures) - np.eye(len(pictures))).max() < 0.99
    # The mean face is symmetric, its eyes are darker than its cheeks.
    face = pictures.mean(axis=0).reshape(96, 96)
    assert np.abs(face - face[:, ::-1]).mean() < 10.0
    assert face[36, 32] < face[48, 32] - 8.0
    assert face[36, 63] < face[48, 63] - 8.0


def test_size_scales_picture_and_landmarks():
    small, large = simulate(2, seed=6, size=48, missing="none"), simulate(2, seed=6, missing="none")
    assert small.images.shape == (2, 48, 48)
    np.testing.assert_allclose(small.landmarks * 2.0, large.landmarks, atol=1e-3)
    halved = large.images.reshape(2, 48, 2, 48, 2).mean(axis=(2, 4))
    assert np.corrcoef(halved.ravel(), small.images.ravel())[0, 1] > 0.95


def test_progress_is_told():
    calls = []
    simulate(3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "arguments",
    [{"n": -1}, {"seed": -1}, {"seed": 2**64}, {"size": 16}, {"missing": "some"}, {"frames_per_person": 0}],
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        simulate(**({"n": 1} | arguments))


def test_a_scene_has_the_fields_that_the_kernels_read():
    header = (SOURCES / "faces.h").read_text()
    numbers, _, _ = header[header.rindex("typedef struct {") :].partition("marks")
    names = re.findall(r"\w+", numbers.replace("typedef struct", "").replace("double", ""))
    assert names == [name for name in SCENE.names if SCENE[name] == np.float64]
    assert ctypes.c_int64.in_dll(loaded(), "scene_bytes").value == SCENE.itemsize
