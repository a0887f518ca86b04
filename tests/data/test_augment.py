"""Augmentation: images against scipy, keypoints against the images, parameters against their distributions."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

import handson
from handson import Sequential
from handson.data import Augment
from handson.data.augment import affine_maps, resample
from handson.errors import HandsonError
from handson.layers import Dense, Flatten
from handson.randomness import words
from handson.randomness.stream import Stream, active

EYES = ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y"]
EVERYTHING = {
    "horizontal_flip": True, "vertical_flip": 0.3, "rotation": 180, "translation": 3, "rescaling": 1.3, "shear": 20,
    "stretch": 1.3,
}  # fmt: skip


def changed(augment, images, targets, names=None, seed=0, epoch=0, rows=None):
    """A batch after augmentation, as a training step would see it."""
    images = torch.as_tensor(np.asarray(images)).float()
    targets = torch.as_tensor(np.asarray(targets)).float()
    bound = augment.bind(images, targets.shape[1], names)
    with active(Stream(seed, epoch)) as stream:
        stream.rows = torch.arange(len(images)) if rows is None else torch.as_tensor(rows)
        images, targets = bound(images, targets)
    return images.numpy(), targets.numpy()


def maps(count=20_000, flips=None, **arguments):
    """The affine maps of many images."""
    augment = Augment(**arguments)
    fraction = words.uniform(Stream(0, 0).key("augment"), torch.arange(count), 10)
    if flips is None:
        flips = torch.zeros(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)
    matrix, shift = affine_maps(augment, fraction, flips)
    return matrix.double().numpy(), shift.double().numpy()


def blobs(points, height, width, deviation=1.5):
    """Images with one round bright blob each, centred on a point; pixel i covers [i, i + 1)."""
    y, x = np.mgrid[:height, :width] + 0.5
    distance = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return (200 * np.exp(-distance / (2 * deviation**2))).astype(np.float32)[..., None]


def centroids(images):
    """The brightness-weighted mean position of each image."""
    height, width = images.shape[1:3]
    y, x = np.mgrid[:height, :width] + 0.5
    light = images[..., 0].astype(np.float64)
    return np.stack([(light * axis).sum((1, 2)) / light.sum((1, 2)) for axis in (x, y)], 1)


def fit_data(rng, rows=24):
    images = rng.integers(0, 256, (rows, 8, 8, 1)).astype(np.float32)
    return images, rng.uniform(1, 7, (rows, 4)).astype(np.float32)


def small_net():
    net = Sequential([Flatten(), Dense(4)], seed=0)
    net.compile(handson.optimizers.SGD(1e-6), "mse")
    return net


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


# Distributions


def uniform_between(values, low, high):
    """Whether values look uniform: Kolmogorov and Smirnov's test, and the ends are nearly reached but not passed."""
    tolerance = 1e-4 * max(abs(low), abs(high))
    assert values.min() >= low - tolerance
    assert values.max() <= high + tolerance
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("given", "low", "high"), [(20, -20, 20), ((5, 40), 5, 40)])
def test_angles_are_uniform(given, low, high):
    matrix, _ = maps(rotation=given)
    uniform_between(np.rad2deg(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])), low, high)


@pytest.mark.parametrize(("given", "low", "high"), [(10, -10, 10), ((-3, 0), -3, 0)])
def test_translations_are_uniform_along_each_axis_by_itself(given, low, high):
    _, shift = maps(translation=given)
    for axis in (0, 1):
        uniform_between(shift[:, axis], low, high)
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.03


@pytest.mark.parametrize(("given", "low", "high"), [(1.6, 1 / 1.6, 1.6), ((1.0, 2.0), 1, 2)])
def test_rescalings_are_log_uniform(given, low, high):
    matrix, _ = maps(rescaling=given)
    np.testing.assert_allclose(matrix[:, 0, 0], matrix[:, 1, 1])
    uniform_between(np.log(matrix[:, 0, 0]), np.log(low), np.log(high))


@pytest.mark.parametrize(("given", "low", "high"), [(1.3, 1 / 1.3, 1.3), ((1.1, 1.2), 1.1, 1.2)])
def test_stretches_are_log_uniform_and_keep_the_area(given, low, high):
    matrix, _ = maps(stretch=given)
    np.testing.assert_allclose(np.linalg.det(matrix), 1, rtol=1e-5)
    uniform_between(np.log(matrix[:, 0, 0]), np.log(low), np.log(high))


@pytest.mark.parametrize(("given", "low", "high"), [(20, -20, 20), ((0, 10), 0, 10)])
def test_shears_are_uniform_in_degrees(given, low, high):
    matrix, _ = maps(shear=given)
    np.testing.assert_allclose(matrix[:, 1, 0], 0, atol=1e-7)
    uniform_between(np.rad2deg(np.arctan(matrix[:, 0, 1] / matrix[:, 1, 1])), low, high)


def test_the_parameters_of_an_image_are_independent():
    matrix, shift = maps(rotation=60, rescaling=1.5, translation=5)
    angle = np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])
    scale = np.log(np.linalg.det(matrix))
    assert abs(np.corrcoef([angle, scale, *shift.T]) - np.eye(4)).max() < 0.03


@pytest.mark.parametrize("probability", [0.2, 0.5])
def test_flips_have_their_probability(probability):
    images = np.zeros((4000, 1, 2, 1), np.float32)
    images[:, :, 0] = 1
    moved, _ = changed(Augment(horizontal_flip=probability), images, np.zeros((4000, 1)), ["age"])
    share = (moved[:, 0, 1, 0] == 1).mean()
    assert share == pytest.approx(probability, abs=4 * (probability * (1 - probability) / 4000) ** 0.5)


def test_horizontal_and_vertical_flips_are_independent():
    images = np.zeros((4000, 2, 2, 1), np.float32)
    images[:, 0, 0] = 1
    moved, _ = changed(Augment(horizontal_flip=True, vertical_flip=True), images, np.zeros((4000, 1)), ["age"])
    np.testing.assert_allclose(moved.mean(0)[..., 0], 0.25, atol=0.03)


# Randomness


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 1000), data=st.data())
def test_an_image_changes_the_same_way_in_any_batch(seed, epoch, data):
    rng = np.random.default_rng(0)
    images, targets = fit_data(rng, 12)
    augment = Augment(**EVERYTHING, noise=0.1, brightness=0.2, contrast=1.5)
    all_images, all_targets = changed(augment, images, targets, EYES, seed, epoch)
    rows = data.draw(st.permutations(range(12)))[: data.draw(st.integers(1, 12))]
    some_images, some_targets = changed(augment, images[rows], targets[rows], EYES, seed, epoch, rows)
    np.testing.assert_allclose(some_images, all_images[rows], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(some_targets, all_targets[rows], rtol=1e-5)


@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (0, 1)])
def test_other_seeds_and_epochs_change_images_in_other_ways(rng, seed, epoch):
    images, targets = fit_data(rng)
    augment = Augment(rotation=20, noise=0.1)
    first, other = (changed(augment, images, targets, EYES, *key)[0] for key in ((0, 0), (seed, epoch)))
    assert (abs(first - other).max((1, 2, 3)) > 1).all()


def test_turning_a_change_on_does_not_draw_the_others_again(rng):
    images, targets = fit_data(rng)
    _, alone = changed(Augment(rotation=10), images, targets, EYES)
    _, together = changed(Augment(rotation=10, noise=0.5, brightness=0.1, contrast=1.2), images, targets, EYES)
    np.testing.assert_array_equal(alone, together)


def test_a_training_with_augmentation_is_reproducible(rng):
    images, targets = fit_data(rng)

    def run(seed):
        net = small_net()
        net.fit(images, pd.DataFrame(targets, columns=EYES), augment=Augment(**EVERYTHING), seed=seed, verbose=0)
        return net.get_weights()[0]

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()


def test_epochs_see_different_images(rng):
    images, targets = fit_data(rng)
    seen = []

    class Spy(Augment):
        def bind(self, *arguments):
            bound = super().bind(*arguments)

            def call(x, y):
                x, y = bound(x, y)
                seen.append(x.clone())
                return x, y

            call.loses_targets = bound.loses_targets
            return call

    net = small_net()
    frame = pd.DataFrame(targets, columns=EYES)
    net.fit(images, frame, augment=Spy(rotation=20), epochs=2, shuffle=False, batch_size=24, verbose=0)
    assert len(seen) == 2
    assert (seen[0] != seen[1]).any()


# Light


@settings(deadline=None, max_examples=20)
@given(
    noise=st.floats(0, 0.5), brightness=st.floats(0, 0.5), contrast=st.floats(1, 3),
    scale=st.sampled_from(["bytes", "unit", "signed"]),
)  # fmt: skip
def test_pixels_stay_in_their_range(noise, brightness, contrast, scale):
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 1)).astype(np.float32)
    images, low, high = {
        "bytes": (images, 0, 255), "unit": (images / 255, 0, 1), "signed": (images / 100 - 1, -1, 1.55),
    }[scale]  # fmt: skip
    augment = Augment(noise=noise, brightness=brightness, contrast=contrast)
    moved, _ = changed(augment, images, np.zeros((6, 1)), ["age"])
    assert moved.min() >= min(low, images.min())
    assert moved.max() <= max(high, images.max()) + 1e-6


def test_a_given_range_of_values_is_kept_and_scales_noise():
    images = np.full((200, 8, 8, 1), 500.0)
    moved, _ = changed(Augment(noise=0.1, value_range=(0, 1000)), images, np.zeros((200, 1)), ["age"])
    assert moved.std() == pytest.approx(100, rel=0.02)
    moved, _ = changed(Augment(noise=0.1, value_range=(450, 550)), images, np.zeros((200, 1)), ["age"])
    assert (moved.min(), moved.max()) == (pytest.approx(460, abs=15), pytest.approx(540, abs=15))


def test_noise_is_normal_with_its_share_of_the_range_and_independent():
    images = np.full((300, 10, 10, 1), 127.5, np.float32)
    moved, _ = changed(Augment(noise=0.05), images, np.zeros((300, 1)), ["age"])
    noise = (moved - images).reshape(300, -1) / (0.05 * 255)
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(noise[::10]) - np.eye(30)).max() < 0.5
    assert abs(np.corrcoef(noise.T[::10]) - np.eye(10)).max() < 0.25


def test_brightness_is_added_uniformly():
    images = np.full((5000, 2, 2, 1), 127.5, np.float32)
    moved, _ = changed(Augment(brightness=0.2), images, np.zeros((5000, 1)), ["age"])
    added = (moved - images).reshape(5000, -1) / 255
    np.testing.assert_allclose(added, added[:, :1].repeat(4, 1), atol=1e-6)
    uniform_between(added[:, 0], -0.2, 0.2)


def test_contrast_is_a_log_uniform_factor_about_the_mean():
    images = np.tile(np.array([120.0, 130.0, 125.0, 125.0], np.float32).reshape(1, 2, 2, 1), (5000, 1, 1, 1))
    moved, _ = changed(Augment(contrast=2), images, np.zeros((5000, 1)), ["age"])
    np.testing.assert_allclose(moved.mean((1, 2, 3)), 125, rtol=1e-5)
    uniform_between(np.log((moved[:, 0, 1, 0] - moved[:, 0, 0, 0]) / 10), -np.log(2), np.log(2))


def test_light_leaves_keypoints_alone(rng):
    images, targets = fit_data(rng)
    _, points = changed(Augment(noise=0.1, brightness=0.1, contrast=1.2), images, targets, EYES)
    np.testing.assert_array_equal(points, targets)


def test_images_of_bytes_have_the_range_of_bytes():
    bound = Augment().bind(torch.full((2, 3, 3, 1), 9, dtype=torch.uint8), 0, None)
    assert bound.value_range == (0, 255)


# The user's arrays


def test_a_batch_iterator_that_flips_in_place_changes_the_training_array_and_ours_does_not(rng):
    """The lecture's FlipBatchIterator assigns to a slice of the user's array, so the data get worse epoch by epoch."""
    images, targets = fit_data(rng)
    lecture = images.copy()
    batch = lecture[0:8]
    batch[::2] = batch[::2, :, ::-1]
    assert (lecture != images).any()

    def flip_in_place(x, y):
        x[::2] = x[::2].flip(2)
        y[::2, 0] = 8 - y[::2, 0]
        return x, y

    before = images.copy(), targets.copy()
    for augment in (flip_in_place, Augment(horizontal_flip=1.0)):
        for shuffle in (True, False):
            small_net().fit(
                images, pd.DataFrame(targets, columns=EYES, copy=False), batch_size=8, epochs=2, augment=augment,
                shuffle=shuffle, verbose=0,
            )  # fmt: skip
            small_net().fit(images, targets, batch_size=24, augment=flip_in_place, shuffle=shuffle, verbose=0)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(targets, before[1])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_read_only_arrays_can_be_augmented(rng, dtype):
    images, targets = fit_data(rng)
    images = images.astype(dtype)
    images.flags.writeable = targets.flags.writeable = False
    augment = Augment(**EVERYTHING, noise=0.1, brightness=0.1, contrast=1.2, keypoints=[(0, 1), (2, 3)])
    history = small_net().fit(images, targets, epochs=2, augment=augment, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_a_batch_is_not_changed_in_place(rng):
    images, targets = map(torch.from_numpy, fit_data(rng))
    kept = images.clone(), targets.clone()
    for arguments in ({"horizontal_flip": True}, EVERYTHING, {"noise": 0.1, "contrast": 2, "brightness": 0.1}):
        bound = Augment(**arguments).bind(images, 4, EYES)
        with active(Stream(0, 0)) as stream:
            stream.rows = torch.arange(len(images))
            bound(images, targets)
    assert torch.equal(images, kept[0])
    assert torch.equal(targets, kept[1])


def test_validation_and_evaluation_see_the_images_as_they_are(rng):
    images, targets = fit_data(rng)
    net = small_net()
    frame = pd.DataFrame(targets, columns=EYES)
    history = net.fit(
        images, frame, epochs=1, augment=Augment(**EVERYTHING), validation_data=(images, frame),
        evaluate_training=True, verbose=0,
    ).history  # fmt: skip
    plain = net.evaluate(images, targets)
    assert history["val_loss"][-1] == pytest.approx(plain, rel=1e-5)
    assert history["train_loss"][-1] == pytest.approx(plain, rel=1e-5)


# Errors


def test_targets_without_names_are_refused(rng):
    images, targets = fit_data(rng)
    with pytest.raises(HandsonError, match="not clear which of the 4 target columns move along.*keypoints=None"):
        small_net().fit(images, targets, augment=Augment(rotation=10), verbose=0)


def test_targets_without_names_are_fine_where_nothing_moves(rng):
    images, targets = fit_data(rng)
    history = small_net().fit(images, targets, augment=Augment(noise=0.1), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("names", [["nose_x"], ["nose_x", "nose_y", "mouth_x"]])
def test_half_a_keypoint_is_refused(rng, names):
    """An x without its y cannot move along, and must not stay behind while the image moves."""
    with pytest.raises(HandsonError, match=names[-1]):
        Augment(horizontal_flip=True).bind(torch.zeros(3, 8, 8, 1), len(names), names)


@pytest.mark.parametrize("flip", ["horizontal_flip", "vertical_flip"])
def test_a_side_without_its_partner_is_refused_with_flips(flip):
    names = ["left_eye_x", "left_eye_y", "nose_x", "nose_y"]
    with pytest.raises(HandsonError, match="the column 'left_eye_x' has no partner on the other side.*swaps="):
        Augment(**{flip: True}).bind(torch.zeros(3, 8, 8, 1), 4, names)


def test_a_side_without_its_partner_is_fine_without_flips():
    names = ["left_eye_x", "left_eye_y"]
    assert Augment(rotation=10).bind(torch.zeros(3, 8, 8, 1), 2, names).pairs == [(0, 1)]


def test_labels_of_classes_need_no_keypoints(rng):
    images, _ = fit_data(rng)
    net = Sequential([Flatten(), Dense(3, activation="softmax")], seed=0)
    net.compile("sgd", "sparse_categorical_crossentropy")
    augment = Augment(rotation=10, horizontal_flip=True)
    history = net.fit(images / 255, np.arange(24) % 3, augment=augment, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("shape", [(10, 5), (10, 5, 5)])
def test_inputs_that_are_no_images_are_refused(shape):
    expected = rf"images of shape \(n, height, width, channels\); got inputs of shape \({', '.join(map(str, shape))}\)"
    with pytest.raises(HandsonError, match=expected):
        Augment(rotation=10).bind(torch.zeros(shape), 0, None)


def test_outside_of_training_there_is_no_randomness_to_draw_from():
    bound = Augment(rotation=10).bind(torch.zeros(2, 5, 5, 1), 0, None)
    with pytest.raises(HandsonError, match=r"use it through fit\(augment=...\)"):
        bound(torch.zeros(2, 5, 5, 1), torch.zeros(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizontal_flip": 1.5}, "horizontal_flip is True, False or a probability; got 1.5"),
        ({"vertical_flip": "yes"}, "vertical_flip is True, False or a probability; got 'yes'"),
        ({"rotation": (30, 10)}, r"rotation is a number a, for -a to a, or two numbers \(low, high\); got \(30, 10\)"),
        ({"rotation": (1, 2, 3)}, r"rotation is a number a.*got \(1, 2, 3\)"),
        ({"rotation": None}, "rotation is a number a.*got None"),
        ({"rotation": "10"}, "rotation is a number a.*got '10'"),
        ({"rotation": ("a", "b")}, r"rotation is a number a.*got \('a', 'b'\)"),
        ({"rotation": float("inf")}, "rotation is a number a.*got inf"),
        ({"translation": -3}, "translation is a number a.*got -3"),
        ({"shear": float("nan")}, "shear is a number a.*got nan"),
        ({"rescaling": 0.5}, "rescaling is a factor f of at least 1, for 1/f to f, or two; got 0.5"),
        ({"rescaling": 0}, "rescaling is a factor f of at least 1.*got 0"),
        ({"rescaling": None}, "rescaling is a factor f of at least 1.*got None"),
        ({"stretch": (-1, 2)}, r"stretch is a factor f of at least 1.*got \(-1, 2\)"),
        ({"contrast": (2, 1)}, r"contrast is a factor f of at least 1.*got \(2, 1\)"),
        ({"noise": -0.1}, "noise is a share of the range of values, not negative; got -0.1"),
        ({"noise": float("nan")}, "noise is a share of the range of values.*got nan"),
        ({"value_range": (1, 0)}, r"value_range.*\(1, 0\)"),
        ({"value_range": 255}, "value_range.*255"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Augment(**arguments)


def test_a_misspelt_argument_is_named_with_the_nearest():
    with pytest.raises(TypeError, match="Augment has no argument 'rotatoin'. Did you mean 'rotation'"):
        Augment(rotatoin=10)


def test_a_configuration_gives_the_same_augmentation():
    augment = Augment(**EVERYTHING, keypoints=[("a", "b")], swaps=[(0, 1)], value_range=(0, 1))
    assert Augment(**augment.get_config()).get_config() == augment.get_config()
    assert Augment(**augment.get_config(compact=True)).get_config() == augment.get_config()
