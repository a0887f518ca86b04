"""Augmentation: light and noise, arrays that stay as they are, and errors."""

import numpy as np
import pandas as pd
import pytest
import torch
from augmented import EVERYTHING, EYES, changed, fit_data, small_net, uniform_between
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from handson import Sequential
from handson.core.errors import HandsonError
from handson.data import Augment
from handson.layers import Dense, Flatten
from handson.randomness.stream import Stream, active

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
