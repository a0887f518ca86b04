"""All convolutions against Keras's: random sizes and arguments, gradients, both places of the channels."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.layers import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3DTranspose, DepthwiseConv1D

CONVOLUTIONS = ["Conv1D", "Conv2D", "Conv3D"]
TRANSPOSED = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]
BY_CHANNEL = ["DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]
FAMILIES = CONVOLUTIONS + TRANSPOSED + BY_CHANNEL
LARGEST = {1: 12, 2: 8, 3: 5}
FACTORS = st.integers(1, 3)
families = pytest.mark.parametrize("name", FAMILIES)


def rank_of(name):
    return int(name[name.index("D") - 1] if not name.startswith("Depth") else name[-2])


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


@st.composite
def cases(draw, name):
    """A shape of inputs, and arguments that fit."""
    rank, groups = rank_of(name), draw(st.integers(1, 2)) if name in CONVOLUTIONS else 1
    each = st.lists(FACTORS, min_size=rank, max_size=rank)
    kernel, strides, dilation = draw(each), draw(each), [1] * rank
    if draw(st.booleans()):
        strides, dilation = dilation, draw(each)
    paddings = ["valid", "same", *(["causal"] if name == "Conv1D" else [])]
    arguments = {
        "kernel_size": tuple(kernel), "strides": tuple(strides), "dilation_rate": tuple(dilation),
        "padding": draw(st.sampled_from(paddings)), "use_bias": draw(st.booleans()),
        "activation": draw(st.sampled_from([None, "tanh"])),
        "data_format": draw(st.sampled_from([None, "channels_last", "channels_first"])),
    }  # fmt: skip
    arguments |= {"groups": groups} if name in CONVOLUTIONS else {}
    arguments |= {} if name.startswith("Depth") else {"filters": groups * draw(FACTORS)}
    arguments |= {"depth_multiplier": draw(FACTORS)} if name in BY_CHANNEL else {}
    if name in TRANSPOSED and draw(st.booleans()):
        arguments["output_padding"] = tuple(draw(st.integers(0, stride - 1)) for stride in strides)
    sizes = [
        (width - 1) * apart + draw(st.integers(2, LARGEST[rank])) for width, apart in zip(kernel, dilation, strict=True)
    ]
    channels = groups * draw(FACTORS)
    first = arguments["data_format"] == "channels_first"
    return (2, channels, *sizes) if first else (2, *sizes, channels), arguments


@families
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_outputs_gradients_and_shapes_are_those_of_keras(keras, name, data):
    shape, arguments = data.draw(cases(name))
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    theirs.build(shape)
    ours.ensure_built(shape)
    ours.set_weights([numbers(weight.shape, 2).numpy() for weight in ours.weights])
    theirs.set_weights(ours.get_weights())
    x, other = numbers(shape).requires_grad_(), numbers(shape).requires_grad_()
    y, expected = ours(x), theirs(other)
    np.testing.assert_allclose(y.detach(), expected.detach(), rtol=1e-4, atol=1e-4)
    unknown = (None, *shape[1:])
    assert ours.output_shape(unknown) == tuple(theirs.compute_output_shape(unknown)) == (None, *y.shape[1:])
    factors = numbers(y.shape, 3)
    found = torch.autograd.grad((y * factors).sum(), [x, *ours.weights])
    wanted = torch.autograd.grad((expected * factors).sum(), [other, *(one.value for one in theirs.weights)])
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)


@families
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_layer_of_keras_s_configuration_is_made_again(keras, name, data):
    _, arguments = data.draw(cases(name))
    config = getattr(keras.layers, name)(**arguments).get_config()
    kept = {key: value for key, value in config.items() if key in arguments}
    ours = getattr(layers, name)(**kept)
    again = getattr(keras.layers, name).from_config({key: ours.get_config()[key] for key in arguments})
    assert {key: again.get_config()[key] for key in arguments} == kept


@families
def test_arguments_have_the_names_and_the_order_of_keras(keras, name):
    theirs = list(inspect.signature(getattr(keras.layers, name).__init__).parameters)[1:-1]
    ours = list(handson.core.described.parameters_of(getattr(layers, name)))
    assert ours[: len(theirs)] == theirs


@families
def test_automatic_names_and_aliases_are_those_of_keras(keras, name):
    ours = getattr(layers, name)
    arguments = {"kernel_size": 1} | ({} if name.startswith("Depth") else {"filters": 1})
    assert getattr(keras.layers, name)(**arguments).name.rstrip("0123456789").rstrip("_") == ours(**arguments).stem
    for alias in (alias for alias in dir(keras.layers) if getattr(keras.layers, alias) is getattr(keras.layers, name)):
        assert getattr(layers, alias) is ours
        assert handson.core.registry.find("layer", alias).__name__ == name


@families
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_sizes_may_be_unknown(name, data_format):
    rank, last = rank_of(name), data_format == "channels_last"
    arguments = {"kernel_size": 2, "data_format": data_format} | ({} if name.startswith("Depth") else {"filters": 3})
    unknown = (None, *(None,) * rank, 4) if last else (None, 4, *(None,) * rank)
    layer = getattr(layers, name)(**arguments)
    layer.ensure_built(unknown)
    output = layer.output_shape(unknown)
    assert output[1:-1] == (None,) * rank if last else output[2:] == (None,) * rank
    for size in (3, 5):
        shape = tuple(size if one is None else one for one in unknown)
        assert tuple(layer(torch.zeros(shape)).shape) == layer.output_shape(shape)


@families
@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_types_are_those_of_keras(keras, name, policy):
    arguments = {"kernel_size": 2, "dtype": policy} | ({} if name.startswith("Depth") else {"filters": 3})
    x = numbers((2, *(5,) * rank_of(name), 2)).double()
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    theirs.build(x.shape)
    y = ours(x)
    theirs.set_weights(ours.get_weights())
    expected = theirs(x)
    assert [str(one.dtype) for one in ours.weights] == [f"torch.{one.dtype}" for one in theirs.weights]
    assert y.dtype == expected.dtype
    limit = 1e-6 if policy == "float64" else 5e-2
    np.testing.assert_allclose(y.detach().double(), expected.detach().double(), rtol=limit, atol=limit)


def test_a_penalty_on_the_outputs_is_added(keras):
    arguments = {"filters": 2, "kernel_size": 2, "activity_regularizer": "l2"}
    ours, theirs = Conv2D(**arguments), keras.layers.Conv2D(**arguments)
    x = numbers((3, 4, 4, 2))
    theirs.build(x.shape)
    ours(x)
    theirs.set_weights(ours.get_weights())
    theirs(x)
    assert [one.item() for one in ours.losses] == pytest.approx([one.item() for one in theirs.losses])


def test_no_output_of_a_causal_convolution_depends_on_a_later_step():
    layer = Conv1D(2, 3, padding="causal", dilation_rate=2)
    x = numbers((1, 9, 2)).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x)[0, 5].sum(), x)
    assert [bool(step.any()) for step in gradient[0]] == [step in (1, 3, 5) for step in range(9)]


@pytest.mark.parametrize("name", ["Conv1D", "Conv1DTranspose", "DepthwiseConv1D", "SeparableConv1D"])
def test_sequences_are_not_copied_and_stay_channels_last(name):
    arguments = {"kernel_size": 3} | ({} if name.startswith("Depth") else {"filters": 8})
    assert getattr(layers, name)(**arguments)(torch.zeros(2, 9, 8)).is_contiguous()


@families
def test_kernels_keep_their_layout_when_they_are_set(name):
    rank = rank_of(name)
    layer = getattr(layers, name)(**{"kernel_size": 3} | ({} if name.startswith("Depth") else {"filters": 6}))
    layer.ensure_built((None, *(5,) * rank, 4))
    strides = [weight.stride() for weight in layer.weights]
    layer.set_weights([np.ones(weight.shape, "float32") for weight in layer.weights])
    assert [weight.stride() for weight in layer.weights] == strides
    kernel = layer.weights[0].detach()
    assert not kernel.is_contiguous()  # Keras's order of axes, torch's order in memory


def test_regularizers_and_constraints_find_their_kernels():
    layer = layers.SeparableConv2D(
        3, 2, depthwise_regularizer="l2", pointwise_regularizer="l1", bias_regularizer="l1",
        depthwise_constraint="non_neg", pointwise_constraint="unit_norm", bias_constraint="non_neg",
    )  # fmt: skip
    layer.ensure_built((None, 5, 5, 2))
    layer.set_weights([np.full(weight.shape, 0.5, "float32") for weight in layer.weights])
    squares, absolute = layer.depthwise_kernel.numel() * 0.25, layer.pointwise_kernel.numel() * 0.5
    found = [value.item() for value in layer.penalties()]
    assert found == pytest.approx([0.01 * squares, 0.01 * absolute, 0.01 * 1.5])
    assert set(layer.weight_constraints) == {"depthwise_kernel", "pointwise_kernel", "bias"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_net_of_each_layer_trains(name):
    rank = rank_of(name)
    arguments = {"kernel_size": 2} | ({} if name.startswith("Depth") else {"filters": 4})
    net = handson.Sequential([getattr(layers, name)(**arguments), layers.Flatten(), layers.Dense(1)], seed=0)
    net.compile("adam", "mse")
    x = numbers((16, *(4,) * rank, 2)).numpy()
    history = net.fit(x, x.reshape(16, -1)[:, :1], epochs=8, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "width", "stride", "extra"), [(4, 3, 2, None), (4, 2, 3, None), (5, 4, 3, 2)])
def test_a_transposed_convolution_is_the_slope_of_a_convolution(padding, size, width, stride, extra):
    """Where no output padding moves the window: the gradient of Conv1D with respect to its inputs."""
    layer = Conv1DTranspose(2, width, stride, padding, output_padding=extra, use_bias=False)
    y = layer(numbers((1, size, 3)))
    x = torch.zeros(1, y.shape[1], 2, requires_grad=True)
    convolution = Conv1D(3, width, stride, padding, use_bias=False)
    convolution.ensure_built(x.shape)
    convolution.set_weights(layer.get_weights())
    out = convolution(x)
    if out.shape[1] != size:
        pytest.skip("a convolution gives another number of steps")
    (slope,) = torch.autograd.grad((out * numbers((1, size, 3))).sum(), x)
    np.testing.assert_allclose(y.detach(), slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv1D(4, (3, 3)), r"Conv1D: kernel_size is one whole number; got \(3, 3\)\."),
        (lambda: Conv1D(4, 3, padding="casual"), r"Conv1D: padding is 'valid', 'same' or 'causal'; got 'casual'\. Did"),
        (lambda: layers.Conv3D(4, (3, 3)), r"kernel_size is one whole number or three \(depth, height, width\); got"),
        (lambda: Conv2D(4, 3, data_format="NCHW"), r"data_format is 'channels_last' or 'channels_first'; got 'NCHW'"),
        (lambda: DepthwiseConv1D(3, depth_multiplier=0), r"depth_multiplier must be a positive whole number; got 0"),
        (lambda: Conv2DTranspose(4, 3, 2, output_padding=2), r"output_padding is one whole number or two, smaller"),
        (lambda: Conv2DTranspose(4, 3, 2, output_padding=-1), r"output_padding must be a whole number of at least 0"),
        (lambda: Conv2DTranspose(4, 3, 2, output_padding=(1, 1, 1)), r"output_padding is one whole number or two, sm"),
        (lambda: Conv3DTranspose(4, 3, 2, dilation_rate=2), r"strides=2 and dilation_rate=2 cannot both exceed 1"),
        (lambda: Conv1D(4, 3)(torch.zeros(2, 9)), r"\(batch, steps, channels\); got \(None, 9\)\. Sequences of single"),
        (lambda: Conv1D(4, 5)(torch.zeros(2, 4, 1)), r"a window of 5 does not fit into a sequence of 4\. Use padding"),
        (lambda: layers.Conv3D(4, 3)(torch.zeros(2, 4, 4, 1)), r"\(batch, depth, height, width, channels\); got"),
        (lambda: Conv2D(4, 3, data_format="channels_first")(torch.zeros(2, 9)), r"\(batch, channels, height, width\)"),
        (lambda: Conv1DTranspose(1, 2, 2, "same", output_padding=0)(torch.zeros(1, 1, 1)), r"would give outputs of"),
        (lambda: DepthwiseConv1D(1).ensure_built((None, 5, None)), r"needs a known number of channels; got the shape"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error_that_says_what_to_type(make, message):
    with pytest.raises(HandsonError, match=message):
        make()
