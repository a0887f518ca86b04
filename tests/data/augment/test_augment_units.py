"""Units of keypoints, images with their channels first, and epochs without a target."""

import numpy as np
import pandas as pd
import pytest
import torch
from augmented import EVERYTHING, EYES, changed, fit_data, small_net

from handson import Sequential
from handson.core.errors import HandsonError, TrainingError
from handson.data import Augment
from handson.layers import Conv2D, Dense, Flatten

UNITS = {(-1.0, 1.0): lambda points, size: 2 * points / size - 1, (0.0, 1.0): lambda points, size: points / size,
         (0.0, 100.0): lambda points, size: 100 * points / size}  # fmt: skip


def fitted(images, targets, augment):
    return small_net().fit(images, pd.DataFrame(targets, columns=EYES), augment=augment, verbose=0).history["loss"]


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("arguments", [EVERYTHING, {"horizontal_flip": 1.0}, {"vertical_flip": 1.0}, {"rotation": 90}])
def test_keypoints_of_any_units_move_as_pixels_do(rng, units, arguments):
    images = rng.integers(0, 256, (40, 8, 12, 1)).astype(np.float32)
    size = np.array([12.0, 8.0, 12.0, 8.0])
    pixels = rng.uniform(2, 6, (40, 4))
    _, expected = changed(Augment(**arguments), images, pixels, EYES)
    _, found = changed(Augment(**arguments, units=units), images, UNITS[units](pixels, size), EYES)
    np.testing.assert_allclose(found, UNITS[units](expected, size), atol=1e-4)


@pytest.mark.parametrize("scale", [(4, 4), (8, 0), (2, 4)], ids=["-1 to 1", "0 to 1", "standardized"])
@pytest.mark.parametrize("change", ["horizontal_flip", "rotation"])
def test_keypoints_that_are_not_in_pixels_are_refused(rng, scale, change):
    images, targets = fit_data(rng)
    targets = (targets - scale[1]) / scale[0]
    with pytest.raises(HandsonError, match=r"Augment moves keypoints in pixels, and these run.*units=\(-1, 1\)"):
        fitted(images, targets, Augment(**{change: True if change == "horizontal_flip" else 10}))


def test_missing_keypoints_do_not_hide_the_units(rng):
    images, targets = fit_data(rng)
    targets = targets / 4 - 1
    targets[::2] = np.nan
    with pytest.raises(HandsonError, match="in pixels"):
        fitted(images, targets, Augment(horizontal_flip=True))


def test_units_that_are_given_wrongly_are_refused(rng):
    images, targets = fit_data(rng)
    with pytest.raises(HandsonError, match="keypoints in units from -1 to 1, and these run"):
        fitted(images, targets, Augment(horizontal_flip=True, units=(-1, 1)))


def test_keypoints_of_larger_images_are_refused(rng):
    images, targets = fit_data(rng)
    with pytest.raises(HandsonError, match="in images of 8x8 pixels"):
        fitted(images, targets * 12, Augment(horizontal_flip=True))


def test_units_that_are_said_are_trained_on(rng):
    images, targets = fit_data(rng)
    for units, scaled in (((-1, 1), targets / 4 - 1), ((0, 1), targets / 8), ("pixels", targets), (None, targets)):
        assert np.isfinite(fitted(images, scaled, Augment(horizontal_flip=True, units=units))).all()
    assert np.isfinite(fitted(images, targets / 4 - 1, Augment(noise=0.1))).all()


@pytest.mark.parametrize("units", ["percent", 1, (1, 0), (1,), (0, float("nan")), ("a", "b")])
def test_wrong_units_are_named(units):
    with pytest.raises(HandsonError, match="units is 'pixels', or the values"):
        Augment(units=units)


@pytest.mark.parametrize("shape", [(3, 96, 96), (1, 28, 28), (3, 8, 8), (4, 48, 64), (13, 64, 64)])
def test_channels_that_come_first_are_refused(shape):
    with pytest.raises(HandsonError, match=r"channels came first.*numpy.moveaxis\(x, 1, -1\)"):
        Augment(noise=0.1).bind(torch.zeros(2, *shape), 0, None)


@pytest.mark.parametrize("size", [(3, 8, 8), (8, 8, 8)])
def test_a_net_that_takes_channels_first_is_refused_whatever_the_shape(size):
    net = Sequential([Conv2D(2, 3, data_format="channels_first", input_shape=size), Flatten(), Dense(1)])
    net.compile("sgd", "mse")
    x, y = np.zeros((4, *size), np.float32), np.zeros(4)
    with pytest.raises(
        HandsonError, match=r"channels came first|'conv2d' takes them with data_format='channels_first'"
    ):
        net.fit(x, y, augment=Augment(rotation=10), verbose=0)


@pytest.mark.parametrize("shape", [(96, 96, 3), (28, 28, 1), (8, 8, 8), (4, 4, 32), (1, 100, 8), (3, 3, 3), (2, 8, 3)])
def test_channels_that_come_last_are_not(shape):
    Augment(noise=0.1).bind(torch.zeros(2, *shape), 0, None)


@pytest.mark.parametrize("verbose", [0, 2])
def test_an_epoch_whose_keypoints_all_leave_the_image_is_an_error(rng, verbose):
    images, targets = fit_data(rng)
    net = small_net()
    with pytest.raises(TrainingError, match="epoch 1 had not a single training target.*augmentation"):
        net.fit(
            images,
            pd.DataFrame(targets, columns=EYES),
            epochs=3,
            augment=Augment(translation=(20, 20)),
            verbose=verbose,
        )


@pytest.mark.parametrize("engine", ["eager", "dense"])
@pytest.mark.parametrize("part", ["validation", "training"])
def test_a_part_of_a_split_without_targets_is_an_error(engine, part):
    """The groups are of such sizes that the split can only hold out the smaller one."""
    x, y = np.random.default_rng(0).normal(size=(12, 3)), np.full(12, np.nan)
    y[{"validation": slice(4, 12), "training": slice(0, 4)}[part]] = 1
    groups = np.repeat([0, 1], [4, 8])
    net = Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)], seed=0)
    net.compile("adam", "mse")
    with pytest.raises(TrainingError, match=f"epoch 1 had not a single {part} target"):
        net.fit(x, y, validation_split=0.34, groups=groups, epochs=3, engine=engine, verbose=0)
