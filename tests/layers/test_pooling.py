"""Pooling against the maximum and mean of each window written out, and against Keras."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.layers import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D

LAYERS = {MaxPooling2D: np.max, AveragePooling2D: np.mean}
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
WINDOWS = st.tuples(st.integers(1, 4), st.integers(1, 4))
kinds = pytest.mark.parametrize("kind", LAYERS)


@st.composite
def geometries(draw):
    """The size of an image, and a window, strides and padding that fit into it."""
    pool, padding = draw(WINDOWS), draw(st.sampled_from(["valid", "same"]))
    size = tuple((window if padding == "valid" else 1) + draw(st.integers(0, 8)) for window in pool)
    return size, (pool, draw(st.none() | WINDOWS), padding)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def windows(size, window, stride, padding):
    """The rows that each output sees, those inside of the image only: TensorFlow's rule, padding is left out."""
    if padding == "valid":
        starts = range(0, size - window + 1, stride)
    else:
        count = -(-size // stride)
        first = -(max((count - 1) * stride + window - size, 0) // 2)
        starts = [first + place * stride for place in range(count)]
    return [slice(max(start, 0), min(start + window, size)) for start in starts]


def written_out(x, reduce, pool, strides, padding):
    vertical, horizontal = (windows(*along, padding) for along in zip(x.shape[1:3], pool, strides, strict=True))
    rows = [[reduce(x[:, down, across], axis=(1, 2)) for across in horizontal] for down in vertical]
    return np.moveaxis(np.array(rows), 2, 0)


@kinds
@settings(max_examples=50, deadline=None)
@given(geometry=geometries(), seed=st.integers(0, 1000))
def test_pooling_reduces_each_window(kind, geometry, seed):
    size, (pool, strides, padding) = geometry
    x = numbers((2, *size, 3), seed) - 5
    layer = kind(pool, strides, padding)
    expected = written_out(x, LAYERS[kind], pool, strides or pool, padding)
    np.testing.assert_allclose(layer(torch.tensor(x)), expected, rtol=1e-5, atol=1e-5)
    assert layer.output_shape((None, *x.shape[1:])) == (None, *expected.shape[1:])


@kinds
@settings(max_examples=30, deadline=None)
@given(geometry=geometries())
def test_pooling_is_that_of_keras(keras, kind, geometry):
    size, (pool, strides, padding) = geometry
    if kind is AveragePooling2D and padding == "same":
        # Keras on torch repeats the border where the padding is not symmetric, and averages it too.
        pool, strides = (3, 1), 1
    x = numbers((2, *size, 3))
    theirs = getattr(keras.layers, kind.__name__)(pool, strides, padding)
    np.testing.assert_allclose(kind(pool, strides, padding)(torch.tensor(x)), theirs(x), rtol=1e-5, atol=1e-6)


@kinds
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_gradients_are_the_slopes_of_the_outputs(kind, padding):
    layer = kind(2, (2, 1), padding, dtype="float64")
    x = torch.tensor(numbers((1, 5, 4, 2)), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_the_average_of_ones_is_one_up_to_the_border():
    for pool in range(1, 6):
        for stride in range(1, 4):
            y = AveragePooling2D(pool, stride, "same")(torch.ones(1, 7, 8, 2))
            np.testing.assert_allclose(y, 1.0, rtol=1e-6)


def test_the_largest_of_negative_numbers_is_negative_up_to_the_border():
    y = MaxPooling2D(4, 2, "same")(-torch.ones(1, 7, 7, 1))
    assert bool((y == -1).all())


@kinds
def test_strides_are_those_of_the_window_by_default(kind):
    assert kind((2, 3)).strides == (2, 3)


@kinds
def test_the_size_of_an_unknown_image_is_unknown(kind):
    assert kind(2).output_shape((None, None, 9, 3)) == (None, None, 4, 3)


@kinds
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pool_size": 0}, "pool_size must be a positive whole number; got 0"),
        ({"pool_size": (2,)}, r"pool_size is one whole number or two \(height, width\); got \(2,\)"),
        ({"strides": (2, -1)}, "strides must be a positive whole number; got -1"),
        ({"padding": "full"}, "padding is 'valid' or 'same'; got 'full'"),
        ({"data_format": "channel_first"}, "data_format is 'channels_last' or 'channels_first'; got 'channel_first'"),
    ],
)
def test_arguments_out_of_range_are_errors(kind, arguments, message):
    with pytest.raises(HandsonError, match=f"{kind.__name__}: {message}"):
        kind(**arguments)


@kinds
def test_a_window_that_does_not_fit_is_an_error(kind):
    with pytest.raises(HandsonError) as error:
        kind(3, name="last")(torch.zeros(1, 2, 9, 1))
    expected = f"{kind.__name__} 'last': a window of 3x3 does not fit into an image of 2x9. Use padding='same'"
    assert str(error.value).startswith(expected)


@pytest.mark.parametrize("kind", [*LAYERS, GlobalAveragePooling2D, GlobalMaxPooling2D])
def test_what_is_no_image_is_an_error(kind):
    with pytest.raises(
        HandsonError, match=rf"{kind.__name__} .* takes inputs of shape \(batch, height, width, channels\)"
    ):
        kind()(torch.zeros(2, 3))


@pytest.mark.parametrize(("kind", "reduce"), [(GlobalAveragePooling2D, np.mean), (GlobalMaxPooling2D, np.max)])
@settings(max_examples=15, deadline=None)
@given(size=SIZES, keepdims=st.booleans())
def test_global_pooling_reduces_the_whole_image(kind, reduce, size, keepdims):
    x = numbers((3, *size, 4))
    y = kind(keepdims=keepdims)(torch.tensor(x))
    np.testing.assert_allclose(y, reduce(x, axis=(1, 2), keepdims=keepdims), rtol=1e-5, atol=1e-6)
