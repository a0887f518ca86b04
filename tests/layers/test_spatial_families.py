"""Pooling, padding, cropping, upsampling and resizing against Keras's layers, or against what they mean."""

import inspect
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.layers import GlobalAveragePooling1D

POOLING = [f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)]
GLOBAL = [f"Global{name}" for name in POOLING]
ADAPTIVE = [f"Adaptive{name}" for name in POOLING]
BORDERS = [f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)]
REPEATING = [f"UpSampling{rank}D" for rank in (1, 2, 3)]
SIZED = ["CenterCrop", "Resizing"]
FAMILIES = POOLING + GLOBAL + ADAPTIVE + BORDERS + REPEATING + SIZED
FORMATS = st.sampled_from([None, "channels_last", "channels_first"])
NUMBERS = st.integers(1, 4)
families = pytest.mark.parametrize("name", FAMILIES)
NEEDED = {"ZeroPadding": {}, "Cropping": {"cropping": 1}, "Adaptive": {"output_size": 2}}
NEEDED |= {name: {"height": 3, "width": 2} for name in SIZED}


def needed(name):
    return next((arguments for start, arguments in NEEDED.items() if name.startswith(start)), {})


def rank_of(name):
    return 2 if name in SIZED else int(name[-2])


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def one_or_each(entry, rank):
    """One entry for all axes, or one for each."""
    return entry | st.tuples(*[entry] * rank)


def borders(rank):
    side = st.integers(0, 2)
    if rank == 1:
        return one_or_each(side, 2)
    return side | st.tuples(*[side] * rank) | st.tuples(*[st.tuples(side, side)] * rank)


def arguments_of(draw, name):
    rank = rank_of(name)
    if name in GLOBAL:
        return {"keepdims": draw(st.booleans())}
    if name in ADAPTIVE:
        return {"output_size": draw(one_or_each(NUMBERS, rank))}
    if name in BORDERS:
        return {"padding" if "Padding" in name else "cropping": draw(borders(rank))}
    if name in REPEATING:
        size = draw(NUMBERS if rank == 1 else one_or_each(NUMBERS, rank))
        return {"size": size} | ({"interpolation": draw(st.sampled_from(WORDS))} if rank == 2 else {})
    if name in SIZED:
        found = {"height": draw(st.integers(1, 9)), "width": draw(st.integers(1, 9))}
        return found | (draw(RESIZING) if name == "Resizing" else {})
    strides = draw(st.none() | one_or_each(NUMBERS, rank))
    padding = draw(st.sampled_from(["valid", "same"]))
    return {"pool_size": draw(one_or_each(NUMBERS, rank)), "strides": strides, "padding": padding}


WORDS = ["nearest", "bilinear", "bicubic"]
RESIZING = st.fixed_dictionaries(
    {"interpolation": st.sampled_from(WORDS), "antialias": st.booleans(), "fill_value": st.floats(-1, 1)},
    optional={"crop_to_aspect_ratio": st.just(True)},
) | st.fixed_dictionaries({"pad_to_aspect_ratio": st.just(True), "fill_value": st.floats(-1, 1)})


@st.composite
def cases(draw, name):
    """A shape of inputs, and arguments that fit."""
    rank, arguments = rank_of(name), arguments_of(draw, name)
    sizes = [draw(st.integers(5, 9 if rank < 3 else 6)) for _ in range(rank)]
    if name not in ("Cropping1D", "UpSampling1D"):
        arguments["data_format"] = draw(FORMATS)
    first = arguments.get("data_format") == "channels_first"
    return (2, 3, *sizes) if first else (2, *sizes, 3), arguments


def windows(size, window, stride, padding):
    """What each output sees along an axis, only places inside."""
    count = -(-size // stride) if padding == "same" else (size - window) // stride + 1
    before = max((count - 1) * stride + window - size, 0) // 2 if padding == "same" else 0
    starts = [place * stride - before for place in range(count)]
    return [slice(max(start, 0), min(start + window, size)) for start in starts]


def means_of_windows(x, pool_size, strides, padding, data_format=None):
    """Average pooling written out; Keras on torch counts places outside too."""
    x = x if data_format != "channels_first" else np.moveaxis(x, 1, -1)
    rank = x.ndim - 2
    pool = (pool_size,) * rank if isinstance(pool_size, int) else pool_size
    steps = pool if strides is None else (strides,) * rank if isinstance(strides, int) else strides
    along = [windows(*each, padding) for each in zip(x.shape[1:-1], pool, steps, strict=True)]
    seen = [x[(slice(None), *place)].mean(tuple(range(1, rank + 1))) for place in itertools.product(*along)]
    out = np.stack(seen, 1).reshape(len(x), *map(len, along), x.shape[-1])
    return out if data_format != "channels_first" else np.moveaxis(out, -1, 1)


@families
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_outputs_gradients_and_shapes_are_those_of_keras(keras, name, data):
    shape, arguments = data.draw(cases(name))
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    x, other = numbers(shape).requires_grad_(), numbers(shape).requires_grad_()
    y = ours(x)
    assert ours.output_shape((None, *shape[1:])) == (None, *y.shape[1:])
    if name.startswith("Average") and arguments["padding"] == "same":
        np.testing.assert_allclose(y.detach(), means_of_windows(x.detach().numpy(), **arguments), rtol=1e-5, atol=1e-5)
        return
    expected = theirs(other)
    np.testing.assert_allclose(y.detach(), expected.detach(), rtol=1e-5, atol=1e-5)
    assert tuple(theirs.compute_output_shape((None, *shape[1:]))) == (None, *y.shape[1:])
    factors = numbers(y.shape, 3)
    (found,) = torch.autograd.grad((y * factors).sum(), x)
    (wanted,) = torch.autograd.grad((expected * factors).sum(), other)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@families
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_layer_of_keras_s_configuration_is_made_again(keras, name, data):
    shape, arguments = data.draw(cases(name))
    config = getattr(keras.layers, name)(**arguments).get_config()
    kept = {key: value for key, value in config.items() if key in arguments}
    ours = getattr(layers, name)(**kept)
    again = getattr(keras.layers, name).from_config({key: ours.get_config()[key] for key in arguments})
    assert {key: again.get_config()[key] for key in arguments} == kept
    x = numbers(shape)
    assert torch.equal(ours(x), getattr(layers, name).from_config(ours.get_config())(x))


@families
def test_arguments_have_the_names_and_the_order_of_keras(keras, name):
    theirs = list(inspect.signature(getattr(keras.layers, name).__init__).parameters)[1:-1]
    ours = list(handson.core.described.parameters_of(getattr(layers, name)))
    assert ours[: len(theirs)] == theirs
    assert ("data_format" in ours) == ("data_format" in theirs)


@families
def test_automatic_names_and_aliases_are_those_of_keras(keras, name):
    ours, theirs = getattr(layers, name), getattr(keras.layers, name)
    more = {"pool_size": 2} if name in POOLING else {}
    assert theirs(**needed(name), **more).name.rstrip("0123456789").rstrip("_") == ours(**needed(name), **more).stem
    for alias in (alias for alias in dir(keras.layers) if getattr(keras.layers, alias) is theirs):
        assert getattr(layers, alias) is ours
        assert handson.core.registry.find("layer", alias).__name__ == name


@families
def test_sizes_may_be_unknown(name):
    layer, rank = getattr(layers, name)(**needed(name)), rank_of(name)
    unknown = layer.output_shape((None, *(None,) * rank, 3))
    for size in (4, 7):
        shape = (2, *(size,) * rank, 3)
        real = tuple(layer(torch.zeros(shape)).shape)
        assert real == layer.output_shape(shape)
        assert len(real) == len(unknown)
        assert all(said in (None, size) for said, size in zip(unknown, real, strict=True))


@pytest.mark.parametrize("name", [*BORDERS, *REPEATING, "Resizing"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_whole_numbers_stay_whole_numbers(name, dtype):
    x = (numbers((2, *(5,) * rank_of(name), 3)) * 50 + 100).clamp(0, 255).to(dtype)
    layer = getattr(layers, name)(**needed(name))
    y = layer(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, layer(x.float()).round())


@pytest.mark.parametrize("name", [*POOLING, *GLOBAL, *ADAPTIVE, "CenterCrop"])
def test_whole_numbers_become_floats(name):
    x = (numbers((2, *(5,) * rank_of(name), 3)) * 50).int()
    layer = getattr(layers, name)(**needed(name))
    np.testing.assert_allclose(layer(x), layer(x.float()), rtol=1e-6)


@families
@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_types_are_those_of_keras(keras, name, policy):
    more = {"pool_size": 2} if name in POOLING else {}
    ours, theirs = (getattr(home.layers, name)(**needed(name), **more, dtype=policy) for home in (handson, keras))
    x = numbers((2, *(6,) * rank_of(name), 3))
    y = ours(x)
    if (name, policy) == ("AveragePooling3D", "mixed_bfloat16"):  # which torch, and so Keras, does not have
        theirs = keras.layers.AveragePooling3D(2, dtype="float32")
        expected = theirs(x).bfloat16()
    else:
        expected = theirs(x)
    assert y.dtype == expected.dtype
    limit = 1e-5 if policy == "float64" else 2e-2  # Keras rounds some means to float32 on the way
    np.testing.assert_allclose(y.double(), expected.double(), rtol=limit, atol=limit)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), keepdims=st.booleans(), data_format=FORMATS)
def test_steps_under_a_mask_do_not_count_in_a_mean(keras, seed, keepdims, data_format):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 6)) < 0.6
    mask[:, 0] = True
    shape = (4, 3, 6) if data_format == "channels_first" else (4, 6, 3)
    ours = GlobalAveragePooling1D(data_format, keepdims)
    theirs = keras.layers.GlobalAveragePooling1D(data_format, keepdims)
    y, expected = (layer(numbers(shape, seed), mask=torch.tensor(mask)) for layer in (ours, theirs))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_what_is_under_a_mask_may_be_nan_and_a_sequence_may_be_empty():
    x = torch.tensor([[[1.0], [torch.nan]], [[torch.nan], [torch.nan]]], requires_grad=True)
    y = GlobalAveragePooling1D()(x, mask=torch.tensor([[True, False], [False, False]]))
    assert y.flatten().tolist() == [1.0, 0.0]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.flatten().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_mean_takes_the_mask_that_travels_and_ends_it():
    x = torch.arange(4.0).view(1, 4, 1)
    x._handson_mask = torch.tensor([[False, True, True, False]])
    y = GlobalAveragePooling1D()(x)
    assert y.item() == 1.5
    assert getattr(y, "_handson_mask", None) is None


@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_one_image_alone_may_be_given(name, data_format):
    layer = getattr(layers, name)(4, 5, data_format=data_format)
    x = numbers((2, 7, 8, 9))
    np.testing.assert_allclose(layer(x[0]), layer(x)[0])
    assert layer.output_shape(x.shape[1:]) == tuple(layer(x[0]).shape)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_net_with_each_layer_trains(name):
    rank = rank_of(name)
    parts = [layers.Dense(4), getattr(layers, name)(**needed(name)), layers.Flatten(), layers.Dense(1)]
    net = handson.Sequential(parts, seed=0)
    net.compile("adam", "mse")
    x = numbers((16, *(5,) * rank, 2)).numpy()
    history = net.fit(x, x.mean(tuple(range(1, x.ndim)))[:, None], epochs=8, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaxPooling1D((2, 2)), r"MaxPooling1D: pool_size is one whole number; got \(2, 2\)\."),
        (lambda: layers.AveragePooling3D((2, 2)), r"pool_size is one whole number or three \(depth, height, width\)"),
        (lambda: layers.AdaptiveMaxPooling2D(0), "output_size must be a positive whole number; got 0"),
        (lambda: layers.GlobalMaxPooling1D("channels"), "data_format is 'channels_last' or 'channels_first'; got"),
        (lambda: layers.ZeroPadding1D((1, 2, 3)), r"padding is one whole number or two \(before, after\); got \(1, 2"),
        (lambda: layers.ZeroPadding2D(((1, 1), (1, 2, 3))), "padding is one whole number or two, one for each axis"),
        (lambda: layers.ZeroPadding3D(-1), "ZeroPadding3D: padding must be a whole number of at least 0; got -1"),
        (lambda: layers.Cropping2D((1, 0.5)), "cropping must be a whole number of at least 0; got 0.5"),
        (lambda: layers.Cropping1D(3)(torch.zeros(1, 6, 1)), r"cuts off \(\(3, 3\),\) and leaves nothing of inputs of"),
        (lambda: layers.UpSampling1D((2,)), r"size must be a positive whole number; got \(2,\)"),
        (lambda: layers.UpSampling2D(interpolation="lanczos3"), "interpolation is 'nearest', 'bilinear' or 'bicubic'"),
        (lambda: layers.Resizing(3, 3, "bilinea"), "interpolation is .*; got 'bilinea'. Did you mean 'bilinear'"),
        (lambda: layers.Resizing(3, 3, fill_mode="reflect"), "Resizing: fill_mode is 'constant'; got 'reflect'"),
        (lambda: layers.Resizing(3, 3, "nearest", True, True), "crop_to_aspect_ratio or pad_to_aspect_ratio, not both"),
        (lambda: layers.Resizing(0, 3), "Resizing: height must be a positive whole number; got 0"),
        (lambda: layers.CenterCrop(3, 3)(torch.zeros(2, 3)), r"\(batch, height, width, channels\); got"),
        (lambda: layers.MaxPooling3D(3)(torch.zeros(1, 2, 4, 4, 1)), "3x3x3 does not fit into a volume of 2x4x4"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_to_type(make, message):
    with pytest.raises(HandsonError, match=message):
        make()
