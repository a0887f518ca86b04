"""Convolutions against Keras, and against the sum over the window written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.layers import Conv2D
from handson.layers.spatial import same_padding, window_output

NUMBERS = st.integers(1, 4)
PAIRS = st.tuples(NUMBERS, NUMBERS)


@st.composite
def geometries(draw):
    """The size of an image, and arguments whose window fits into it."""
    window, strides, dilation = draw(PAIRS), draw(PAIRS), (1, 1)
    if draw(st.booleans()):
        strides, dilation = dilation, strides
    padding = draw(st.sampled_from(["valid", "same"]))
    least = [(w - 1) * d + 1 if padding == "valid" else 1 for w, d in zip(window, dilation, strict=True)]
    size = tuple(each + draw(st.integers(0, 8)) for each in least)
    return size, {"kernel_size": window, "strides": strides, "padding": padding, "dilation_rate": dilation}


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def written_out(x, kernel, strides, padding, dilation, groups):
    """A convolution as its sum, with TensorFlow's rule for 'same': the odd row of zeros goes after."""
    (rows, columns), (height, width) = x.shape[1:3], kernel.shape[:2]
    window = [(size - 1) * spacing + 1 for size, spacing in zip((height, width), dilation, strict=True)]
    if padding == "same":
        out = [-(-size // stride) for size, stride in zip((rows, columns), strides, strict=True)]
        total = [max((o - 1) * s + w - n, 0) for o, s, w, n in zip(out, strides, window, (rows, columns), strict=True)]
        x = np.pad(x, ((0, 0), *((each // 2, each - each // 2) for each in total), (0, 0)))
    else:
        out = [(n - w) // s + 1 for n, w, s in zip((rows, columns), window, strides, strict=True)]
    inputs, outputs = kernel.shape[2], kernel.shape[3] // groups
    result = np.zeros((len(x), *out, kernel.shape[3]))
    for group in range(groups):
        part = x[..., group * inputs : (group + 1) * inputs]
        weights = kernel[..., group * outputs : (group + 1) * outputs]
        for i in range(height):
            for j in range(width):
                top, left = i * dilation[0], j * dilation[1]
                seen = part[:, top : top + (out[0] - 1) * strides[0] + 1 : strides[0]]
                seen = seen[:, :, left : left + (out[1] - 1) * strides[1] + 1 : strides[1]]
                result[..., group * outputs : (group + 1) * outputs] += seen @ weights[i, j]
    return result


@settings(max_examples=60, deadline=None)
@given(geometry=geometries(), groups=st.integers(1, 3), bias=st.booleans(), seed=st.integers(0, 1000))
def test_a_convolution_is_its_sum_over_the_window(geometry, groups, bias, seed):
    size, arguments = geometry
    layer = Conv2D(2 * groups, groups=groups, use_bias=bias, bias_initializer="random_normal", **arguments)
    x = numbers((2, *size, 2 * groups), seed)
    actual = layer(torch.tensor(x)).detach().numpy()
    kernel, offset = [*layer.get_weights(), 0.0][:2]
    strides, padding, dilation = (arguments[key] for key in ("strides", "padding", "dilation_rate"))
    expected = written_out(x, kernel, strides, padding, dilation, groups) + offset
    assert layer.output_shape((None, *x.shape[1:])) == (None, *expected.shape[1:])
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(geometry=geometries(), groups=st.integers(1, 2))
def test_a_convolution_is_that_of_keras(keras, geometry, groups):
    size, arguments = geometry
    arguments |= {"filters": 4, "groups": groups, "activation": "tanh"}
    ours, theirs = Conv2D(**arguments), keras.layers.Conv2D(**arguments)
    x = numbers((2, *size, 4))
    y = ours(torch.tensor(x)).detach()
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(y, theirs(x).detach(), rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), window=st.integers(1, 9), stride=st.integers(1, 9))
def test_same_padding_gives_the_declared_size_with_the_odd_row_after(size, window, stride):
    before, after = same_padding(size, window, stride)
    assert after - before in (0, 1)
    assert before >= 0
    outputs = window_output(size, window, stride, "same")
    assert outputs == int(np.ceil(size / stride))
    assert (size + before + after - window) // stride + 1 == outputs or stride > window


def test_the_size_of_an_unknown_image_is_unknown():
    assert window_output(None, 3, 2, "same") is None
    assert Conv2D(5, 3).output_shape((None, None, 9, 1)) == (None, None, 7, 5)


def test_one_layer_takes_images_of_several_sizes():
    layer = Conv2D(2, 3, padding="same")
    layer.ensure_built((None, None, None, 1))
    assert [layer(torch.zeros(1, size, 5, 1)).shape[1] for size in (4, 9)] == [4, 9]


def test_images_are_not_copied_and_stay_channels_last():
    x = torch.zeros(2, 8, 8, 16)
    y = Conv2D(16, 3, padding="same")(x)
    assert y.is_contiguous()


@pytest.mark.parametrize("change", ["build", "set_weights", "redraw"])
def test_the_kernel_lies_in_memory_as_torch_wants_it(change):
    layer = Conv2D(8, 3)
    layer.ensure_built((None, 5, 5, 4))
    if change == "set_weights":
        layer.set_weights([np.ones((3, 3, 4, 8), "float32"), np.ones(8, "float32")])
    if change == "redraw":
        layer.draw_again(5)
    assert layer.kernel.permute(3, 2, 0, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("padding", ["SAME", "Same", "same"])
def test_padding_may_be_written_in_any_case(padding):
    assert Conv2D(1, 1, padding=padding).padding == "same"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, r"Conv2D: filters must be a positive whole number; got 0\."),
        ({"kernel_size": 0}, r"Conv2D: kernel_size must be a positive whole number; got 0\."),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size is one whole number or two \(height, width\); got \(3, 3, 3\)\."),
        ({"strides": (1, 0)}, r"Conv2D: strides must be a positive whole number; got 0\."),
        ({"strides": 1.5}, r"Conv2D: strides must be a positive whole number; got 1\.5\."),
        ({"dilation_rate": -1}, r"Conv2D: dilation_rate must be a positive whole number; got -1\."),
        ({"groups": 0}, r"Conv2D: groups must be a positive whole number; got 0\."),
        ({"groups": 3}, r"Conv2D: filters=4 is not a multiple of groups=3\."),
        ({"padding": "causal"}, r"Conv2D: padding is 'valid' or 'same'; got 'causal'\."),
        ({"padding": 1}, r"Conv2D: padding is 'valid' or 'same'; got 1\."),
        ({"strides": 2, "dilation_rate": 3}, r"Conv2D: strides=2 and dilation_rate=3 cannot both exceed 1\."),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_errors(arguments, message):
    with pytest.raises(HandsonError, match=message):
        Conv2D(**{"filters": 4, "kernel_size": 3} | arguments)


@pytest.mark.parametrize(
    ("arguments", "size", "window"),
    [({}, (2, 9), "3x3"), ({}, (9, 2), "3x3"), ({"dilation_rate": 4}, (8, 9), "9x9"), ({"strides": 5}, (2, 2), "3x3")],
)
def test_a_window_that_does_not_fit_is_an_error(arguments, size, window):
    with pytest.raises(HandsonError) as error:
        Conv2D(2, 3, name="first", **arguments).ensure_built((None, *size, 1))
    expected = (
        f"Conv2D 'first': a window of {window} does not fit into an image of {size[0]}x{size[1]}. Use padding='same', "
        f"a smaller window, or fewer pooling layers before it."
    )
    assert str(error.value) == expected


@pytest.mark.parametrize(("channels", "groups"), [(None, 1), (4, 3)])
def test_channels_must_be_known_and_a_multiple_of_the_groups(channels, groups):
    with pytest.raises(HandsonError, match=rf"needs a known number of channels, a multiple of groups={groups}; got "):
        Conv2D(6, 1, groups=groups).ensure_built((None, 5, 5, channels))
