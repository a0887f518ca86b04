"""Augmentation: where pixels and keypoints go."""

import numpy as np
import pandas as pd
import pytest
import torch
from augmented import EVERYTHING, EYES, blobs, centroids, changed, fit_data, maps, small_net
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from handson.data import Augment
from handson.data.augment.geometry import resample

# Geometry


@pytest.mark.parametrize("size", [(40, 40), (36, 52)])
@pytest.mark.parametrize("name", [*EVERYTHING, "everything"])
def test_keypoints_move_exactly_like_the_image(rng, name, size):
    height, width = size
    points = rng.uniform([14, 14], [width - 14, height - 14], (120, 2))
    augment = Augment(**(EVERYTHING if name == "everything" else {name: EVERYTHING[name]}))
    images, moved = changed(augment, blobs(points, height, width), points, ["p_x", "p_y"])
    well_inside = ((moved > 7) & (moved < [width - 7, height - 7])).all(1)
    assert well_inside.sum() > 60
    np.testing.assert_allclose(centroids(images)[well_inside], moved[well_inside], atol=0.05)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6), height=st.integers(5, 14), width=st.integers(5, 14), channels=st.sampled_from([1, 3])
)
def test_resampling_is_that_of_scipy(seed, height, width, channels):
    """An output pixel at p from the centre takes its value from matrix^-1 (p - shift); scipy counts (row, column)."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, height, width, channels)).astype(np.float32)
    matrices = np.eye(2) * rng.choice([-1, 1], (2, 1, 2)) + rng.uniform(-0.4, 0.4, (2, 2, 2))
    shifts = rng.uniform(-3, 3, (2, 2))
    moved = resample(torch.from_numpy(images), torch.from_numpy(matrices).float(), torch.from_numpy(shifts).float())
    centre = np.array([height, width]) / 2 - 0.5
    for image, matrix, shift, ours in zip(images, matrices, shifts, moved.numpy(), strict=True):
        inverse = np.linalg.inv(matrix)[::-1, ::-1]
        offset = centre - inverse @ (centre + shift[::-1])
        for channel in range(channels):
            theirs = ndimage.affine_transform(image[..., channel], inverse, offset, order=1, mode="nearest")
            np.testing.assert_allclose(ours[..., channel], theirs, atol=2e-3)


def test_a_quarter_turn_turns_clockwise(rng):
    images = rng.integers(0, 256, (3, 9, 9, 1)).astype(np.float32)
    moved, points = changed(Augment(rotation=(90, 90)), images, [[7.0, 2.0]] * 3, ["p_x", "p_y"])
    np.testing.assert_allclose(moved, np.rot90(images, -1, (1, 2)), atol=0.01)
    np.testing.assert_allclose(points, [[7.0, 7.0]] * 3, atol=1e-5)


def test_a_translation_by_whole_pixels_shifts_the_pixels(rng):
    images = rng.integers(0, 256, (2, 8, 10, 1)).astype(np.float32)
    moved, points = changed(Augment(translation=(2, 2)), images, [[3.5, 4.5]] * 2, ["p_x", "p_y"])
    np.testing.assert_allclose(moved[:, 2:, 2:], images[:, :-2, :-2], atol=0.01)
    np.testing.assert_allclose(moved[:, 0, 2:], images[:, 0, :-2], atol=0.01)
    np.testing.assert_allclose(points, [[5.5, 6.5]] * 2)


def test_a_rescaling_magnifies_about_the_centre():
    _, points = changed(Augment(rescaling=(1.5, 1.5)), np.zeros((1, 8, 12, 1)), [[8.0, 3.0]], ["p_x", "p_y"])
    np.testing.assert_allclose(points, [[6 + 1.5 * 2, 4 - 1.5 * 1]], rtol=1e-6)


def test_a_stretch_widens_and_flattens():
    _, points = changed(Augment(stretch=(1.25, 1.25)), np.zeros((1, 8, 12, 1)), [[10.0, 6.0]], ["p_x", "p_y"])
    np.testing.assert_allclose(points, [[6 + 4 * 1.25, 4 + 2 / 1.25]], rtol=1e-6)


def test_the_map_is_rotation_times_shear_times_scale_times_mirror():
    angle, shear, scale, stretch = np.deg2rad(30), np.deg2rad(10), 1.2, 1.1
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = (
        rotation @ [[1, np.tan(shear)], [0, 1]] @ np.diag([scale * stretch, scale / stretch]) @ np.diag([-1.0, 1.0])
    )
    flips = torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)
    matrix, shift = maps(
        3, flips, rotation=(30, 30), shear=(10, 10), rescaling=(1.2, 1.2), stretch=(1.1, 1.1), translation=(4, 4)
    )
    np.testing.assert_allclose(matrix, [expected] * 3, atol=1e-6)
    np.testing.assert_allclose(shift, [[4, 4]] * 3)


def test_no_change_changes_nothing(rng):
    images, targets = fit_data(rng)
    same_images, same_targets = changed(Augment(), images, targets, EYES)
    np.testing.assert_array_equal(same_images, images)
    np.testing.assert_array_equal(same_targets, targets)


# Mirrors


def test_a_horizontal_flip_is_exact(rng):
    images = rng.integers(0, 256, (5, 6, 9, 3)).astype(np.float32)
    targets = rng.integers(0, 36, (5, 2)).astype(np.float32) / 4
    moved, points = changed(Augment(horizontal_flip=1.0), images, targets, ["p_x", "p_y"])
    np.testing.assert_array_equal(moved, images[:, :, ::-1])
    np.testing.assert_array_equal(points, targets * [-1, 1] + [9, 0])


def test_a_vertical_flip_is_exact(rng):
    images = rng.integers(0, 256, (5, 6, 9, 3)).astype(np.float32)
    targets = rng.integers(0, 24, (5, 2)).astype(np.float32) / 4
    moved, points = changed(Augment(vertical_flip=1.0), images, targets, ["p_x", "p_y"])
    np.testing.assert_array_equal(moved, images[:, ::-1])
    np.testing.assert_array_equal(points, targets * [1, -1] + [0, 6])


def test_left_and_right_swap_exactly_in_a_mirror_image(rng):
    images, targets = fit_data(rng)
    targets = np.round(targets * 4) / 4
    _, points = changed(Augment(horizontal_flip=1.0), images, targets, EYES)
    np.testing.assert_array_equal(points, targets[:, [2, 3, 0, 1]] * [-1, 1, -1, 1] + [8, 0, 8, 0])


def test_a_vertical_flip_is_a_mirror_image_too(rng):
    images, targets = fit_data(rng)
    targets = np.round(targets * 4) / 4
    _, points = changed(Augment(vertical_flip=1.0), images, targets, EYES)
    np.testing.assert_array_equal(points, targets[:, [2, 3, 0, 1]] * [1, -1, 1, -1] + [0, 8, 0, 8])


def test_two_flips_are_half_a_turn_and_swap_nothing(rng):
    images, targets = fit_data(rng)
    targets = np.round(targets * 4) / 4
    moved, points = changed(Augment(horizontal_flip=1.0, vertical_flip=1.0), images, targets, EYES)
    np.testing.assert_array_equal(moved, images[:, ::-1, ::-1])
    np.testing.assert_array_equal(points, 8 - targets)


def test_columns_swap_in_exactly_the_images_that_are_mirrored(rng):
    images, targets = fit_data(rng, 200)
    targets = np.round(targets * 4) / 4
    moved, points = changed(Augment(horizontal_flip=True), images, targets, EYES)
    mirrored = np.array([np.array_equal(ours, image[:, ::-1]) for ours, image in zip(moved, images, strict=True)])
    assert 60 < mirrored.sum() < 140
    np.testing.assert_array_equal(moved[~mirrored], images[~mirrored])
    np.testing.assert_array_equal(points[~mirrored], targets[~mirrored])
    np.testing.assert_array_equal(points[mirrored][:, 1], targets[mirrored][:, 3])


def test_columns_swap_after_a_rotated_mirror_image(rng):
    """The left eye of a mirrored, turned face is where the right eye went."""
    images, targets = fit_data(rng)
    arguments = {"horizontal_flip": 1.0, "rotation": (10, 10)}
    _, with_swaps = changed(Augment(**arguments), images, targets, EYES)
    _, without = changed(Augment(**arguments, swaps=[]), images, targets, EYES)
    np.testing.assert_array_equal(with_swaps, without[:, [2, 3, 0, 1]])


def test_other_columns_that_have_sides_swap_without_moving(rng):
    images, _ = fit_data(rng, 3)
    names = ["left_age", "right_age", "p_x", "p_y"]
    _, points = changed(Augment(horizontal_flip=1.0), images, [[30.0, 40.0, 1.0, 2.0]] * 3, names)
    np.testing.assert_array_equal(points, [[40.0, 30.0, 7.0, 2.0]] * 3)


def test_swaps_and_keypoints_can_be_given_by_name_and_position(rng):
    images, targets = fit_data(rng)
    named = changed(Augment(horizontal_flip=1.0), images, targets, EYES)
    given = Augment(horizontal_flip=1.0, keypoints=[(0, 1), (2, 3)], swaps=[(0, 2), (1, 3)])
    np.testing.assert_array_equal(changed(given, images, targets)[1], named[1])
    by_name = Augment(horizontal_flip=1.0, keypoints=[("a", "b"), ("c", "d")], swaps=[("a", "c"), ("b", "d")])
    np.testing.assert_array_equal(changed(by_name, images, targets, list("abcd"))[1], named[1])


def test_keypoints_none_leaves_the_targets(rng):
    images, targets = fit_data(rng)
    moved, points = changed(Augment(vertical_flip=1.0, keypoints=None), images, targets)
    np.testing.assert_array_equal(moved, images[:, ::-1])
    np.testing.assert_array_equal(points, targets)


# Missing values


def test_points_that_leave_the_frame_become_missing():
    targets = [[1.0, 5.0, 30.0], [9.5, 5.0, 31.0], [5.0, 9.5, 32.0]]
    _, points = changed(Augment(translation=(2, 2)), np.zeros((3, 10, 10, 1)), targets, ["p_x", "p_y", "age"])
    np.testing.assert_array_equal(points, [[3, 7, 30], [np.nan, np.nan, 31], [np.nan, np.nan, 32]])


def test_a_point_on_the_edge_of_the_frame_is_inside():
    _, points = changed(Augment(translation=(2, 2)), np.zeros((1, 10, 10, 1)), [[8.0, 0.0]], ["p_x", "p_y"])
    np.testing.assert_array_equal(points, [[10, 2]])


def test_missing_points_stay_missing(rng):
    images, targets = fit_data(rng)
    targets[::3, :2] = np.nan
    _, points = changed(Augment(rotation=5, rescaling=1.01), images, targets, EYES)
    assert np.isnan(points[::3, :2]).all()


def test_a_missing_point_swaps_sides_too(rng):
    images, targets = fit_data(rng)
    targets[:, :2] = np.nan
    _, points = changed(Augment(horizontal_flip=1.0), images, targets, EYES)
    assert np.isnan(points[:, 2:]).all()
    assert np.isfinite(points[:, :2]).all()


def test_a_point_that_misses_only_x_keeps_y_under_flips(rng):
    images, targets = fit_data(rng)
    targets[:, 0] = np.nan
    augment = Augment(horizontal_flip=1.0, vertical_flip=1.0, swaps=[])
    _, points = changed(augment, images, targets, EYES)
    assert np.isnan(points[:, 0]).all()
    np.testing.assert_allclose(points[:, 1], 8 - targets[:, 1], rtol=1e-6)


def test_a_point_that_misses_only_x_is_missing_after_a_rotation(rng):
    images, targets = fit_data(rng)
    targets[:, 0] = np.nan
    _, points = changed(Augment(rotation=(3, 3)), images, targets, EYES)
    assert np.isnan(points[:, 1]).all()


def test_points_that_are_lost_are_masked_in_training(rng):
    """All targets are there, but most points leave the frame: the loss is that of the others, not NaN."""
    images, targets = fit_data(rng)
    net = small_net()
    history = net.fit(
        images, pd.DataFrame(targets, columns=EYES), augment=Augment(translation=(6, 6)), epochs=2, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
