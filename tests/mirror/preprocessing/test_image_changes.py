"""What `ImageDataGenerator` does to one image, against Keras's own on random images and numbers."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.keras.preprocessing import image as ours

# Keras 3.15 takes scipy.ndimage by an older name.
pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")

FORMATS = {"channels_last": (0, 1, 2), "channels_first": (1, 2, 0)}
MOVES = {
    "theta": st.floats(-180, 180),
    "tx": st.floats(-3, 3),
    "ty": st.floats(-3, 3),
    "shear": st.floats(-40, 40),
    "zx": st.floats(0.5, 1.5),
    "zy": st.floats(0.5, 1.5),
}
EFFECTS = {
    "flip_horizontal": st.booleans(),
    "flip_vertical": st.booleans(),
    "channel_shift_intensity": st.sampled_from([None, 0.3, -20.0]),
    "brightness": st.sampled_from([None, 0.5, 1.4]),
}
RANGES = st.fixed_dictionaries(
    {
        "rotation_range": st.sampled_from([0, 30]),
        "width_shift_range": st.sampled_from([0.0, 0.2, 3, 2.0, [1, 2]]),
        "height_shift_range": st.sampled_from([0.0, 0.3, 2, [-1.0, 0.5]]),
        "shear_range": st.sampled_from([0.0, 10.0]),
        "zoom_range": st.sampled_from([0.0, 0.2, (0.5, 1.0)]),
        "channel_shift_range": st.sampled_from([0.0, 0.4]),
        "brightness_range": st.sampled_from([None, (0.5, 1.5)]),
        "horizontal_flip": st.booleans(),
        "vertical_flip": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def theirs(keras):
    return importlib.import_module("keras.src.legacy.preprocessing.image")


def image(shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def turned(parameters):
    """For Keras 3, which moves columns by tx and rows by ty."""
    return parameters | {"tx": parameters["ty"], "ty": parameters["tx"]}


@given(
    st.fixed_dictionaries(MOVES), st.sampled_from(list(FORMATS)),
    st.sampled_from(["nearest", "constant", "reflect", "wrap"]), st.sampled_from([0, 1, 3]),
)  # fmt: skip
@settings(max_examples=100)
def test_images_are_moved_as_in_keras(theirs, moves, layout, fill_mode, order):
    x = image((7, 7, 3) if layout == "channels_last" else (3, 7, 7))
    axes = dict(zip(("row_axis", "col_axis", "channel_axis"), FORMATS[layout], strict=True))
    way = {"fill_mode": fill_mode, "order": order, "cval": 9.0, **axes}
    found = ours.apply_affine_transform(x, **moves, **way)
    np.testing.assert_allclose(found, theirs.apply_affine_transform(x, **turned(moves), **way), atol=2e-3)


def test_rows_are_moved_by_tx_and_an_image_that_is_not_square_about_its_middle():
    x = np.zeros((5, 7, 1), "float32")
    x[2, 3] = 1
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    assert ours.apply_affine_transform(x, tx=1, **axes)[1, 3] == 1
    for moves in ({"theta": 90}, {"theta": 33}, {"zx": 0.5, "zy": 0.7}, {"shear": 20}):
        assert ours.apply_affine_transform(x, **moves, **axes)[2, 3] == pytest.approx(1)


@given(st.fixed_dictionaries(MOVES | EFFECTS), st.sampled_from(list(FORMATS)), st.sampled_from([0, -100]))
@settings(max_examples=60)
def test_all_changes_of_an_image_are_those_of_keras(theirs, parameters, layout, low):
    if layout == "channels_first":
        parameters = parameters | {"brightness": None}  # Keras takes the channels for rows
    x = image((7, 7, 3) if layout == "channels_last" else (3, 7, 7)) + low
    mine, other = (module.ImageDataGenerator(data_format=layout) for module in (ours, theirs))
    expected = other.apply_transform(x.copy(), turned(parameters))
    # A value between two bytes may be cut off to either.
    tolerance = 2e-3 if parameters["brightness"] is None else 2.1 * parameters["brightness"]
    np.testing.assert_allclose(mine.apply_transform(x, parameters), expected, atol=tolerance)


@given(RANGES, st.integers(0, 1000))
@settings(max_examples=60)
def test_a_seed_gives_the_numbers_of_keras(theirs, ranges, seed):
    expected = theirs.ImageDataGenerator(**ranges).get_random_transform((6, 9, 3), seed)
    assert ours.ImageDataGenerator(**ranges).get_random_transform((6, 9, 3), seed) == expected


SCALES = st.fixed_dictionaries(
    {
        "featurewise_center": st.booleans(),
        "samplewise_center": st.booleans(),
        "featurewise_std_normalization": st.booleans(),
        "samplewise_std_normalization": st.booleans(),
        "rescale": st.sampled_from([None, 1 / 255]),
        "preprocessing_function": st.sampled_from([None, np.sqrt]),
    }
)


@given(SCALES, st.booleans(), st.sampled_from(list(FORMATS)))
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore:This ImageDataGenerator specifies")
def test_images_are_scaled_as_in_keras(theirs, way, whiten, layout):
    way = way | {"zca_whitening": whiten}
    way["featurewise_std_normalization"] &= not whiten
    x = image((6, 4, 5, 3) if layout == "channels_last" else (6, 3, 4, 5))
    mine, other = (module.ImageDataGenerator(**way, data_format=layout) for module in (ours, theirs))
    kept = x.copy()
    for one in (mine, other):
        one.fit(x)
    for name in ("mean", "std", "zca_whitening_matrix"):
        expected = getattr(other, name)
        if expected is not None:
            np.testing.assert_allclose(getattr(mine, name), expected, rtol=1e-3, atol=1e-3)
    other.zca_whitening_matrix = mine.zca_whitening_matrix
    for batch in (x, x[0]):
        np.testing.assert_allclose(mine.standardize(batch), other.standardize(batch.copy()), rtol=1e-3, atol=1e-3)
    assert (x == kept).all()


def test_statistics_of_changed_images():
    x = image((3, 4, 4, 1))
    generator = ours.ImageDataGenerator(featurewise_center=True, vertical_flip=True)
    generator.fit(x, augment=True, rounds=3, seed=1)
    np.testing.assert_allclose(generator.mean.ravel(), x.mean(), rtol=1e-5)
    generator.fit(x.astype("uint8"), seed=1)
    assert generator.mean.dtype == np.float32


def test_single_changes_are_drawn_anew_and_stay_in_their_range():
    x, axes = image((6, 8, 3)), {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    made = [
        lambda: ours.random_rotation(x, 20, **axes), lambda: ours.random_shift(x, 0.3, 0.3, **axes),
        lambda: ours.random_shear(x, 20, **axes), lambda: ours.random_zoom(x, (0.5, 0.9), **axes),
        lambda: ours.random_channel_shift(x, 50.0, 2), lambda: ours.random_brightness(x, (0.2, 0.8)),
    ]  # fmt: skip
    for change in made:
        first, second = change(), change()
        assert first.shape == x.shape
        assert (first != second).any()
        assert first.min() >= 0
        assert first.max() <= 255


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.ImageDataGenerator(zoom_range=(1, 2, 3)), "zoom_range is two numbers"),
        (lambda: ours.ImageDataGenerator(brightness_range=0.5), "brightness_range is two numbers"),
        (lambda: ours.ImageDataGenerator(data_format="channel_last"), "Did you mean 'channels_last'"),
        (lambda: ours.ImageDataGenerator(validation_split=1.5), "between 0 and 1"),
        (lambda: ours.ImageDataGenerator(featurewise_center=True).standardize(image((2, 2, 1))), "fit"),
        (lambda: ours.ImageDataGenerator().fit(image((2, 2, 1))), r"\(n, height, width, channels\)"),
        (lambda: ours.ImageDataGenerator(zca_whitening=True, featurewise_std_normalization=True), "leave out"),
        (lambda: ours.ImageDataGenerator(fill_mode="edge", rotation_range=9).random_transform(image((2, 2, 1))),
         "fill_mode is one of"),
        (lambda: ours.apply_affine_transform(image((2, 2)), 9), "three axes"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(HandsonError, match=message):
        call()
