"""Augmentation: how changes are distributed, and that they follow from seed, epoch and row alone."""

import numpy as np
import pandas as pd
import pytest
from augmented import EVERYTHING, EYES, changed, fit_data, maps, small_net, uniform_between
from hypothesis import given, settings
from hypothesis import strategies as st

from handson import Sequential
from handson.core.errors import HandsonError
from handson.data import Augment
from handson.layers import Dense, Flatten

# Distributions


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


def test_noise_has_nothing_to_do_with_flips_and_angles():
    """The targets say how an image was moved, its pixels what noise it has; neither size nor sign of it follows."""
    count = 4000
    images = np.full((count, 4, 4, 1), 100.0, np.float32)
    images[0] = np.linspace(0, 255, 16).reshape(4, 4, 1)
    targets = np.tile([3.0, 2.0], (count, 1))
    augment = Augment(horizontal_flip=True, rotation=40, noise=0.1, keypoints=[("x", "y")], value_range=(0, 255))
    changed_images, moved = changed(augment, images, targets, ["x", "y"])
    noise = changed_images[1:, ..., 0].reshape(count - 1, -1) - 100
    flipped, angle = moved[1:, 0] < 2, np.abs(moved[1:, 1] - 2)
    assert 0.4 < flipped.mean() < 0.6
    assert noise.std() > 5
    bound = 4.5 / np.sqrt(count)
    for happened in (flipped.astype(float), angle, moved[1:, 1]):
        for drawn in (*noise.T, *np.abs(noise).T):
            assert abs(np.corrcoef(happened, drawn)[0, 1]) < bound


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda images, targets: images, r"a tensor of shape \(8, 4, 4, 1\)"),
        (lambda images, targets: (images[:2], targets), r"\(a tensor of shape \(2, 4, 4, 1\), a tensor"),
        (lambda images, targets: None, "NoneType"),
        (lambda images, targets: (images, None), r"\(a tensor of shape \(8, 4, 4, 1\), NoneType"),
    ],
)
def test_a_function_that_returns_something_else_is_named(function, got):
    net = Sequential([Flatten(), Dense(1)])
    net.compile("sgd", "mse")
    x, y = np.zeros((8, 4, 4, 1), np.float32), np.zeros(8)
    with pytest.raises(HandsonError, match=f"augment=<lambda>: it must return .* all 8 rows .*; got {got}"):
        net.fit(x, y, augment=function, verbose=0)
