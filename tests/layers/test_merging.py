"""Merging and joining layers against Keras, with its broadcasting and masks, and their errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import layers
from handson.core.errors import HandsonError
from handson.layers.calling import MASK

NAMES = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]


def numbers(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


def masked(x, mask):
    """Copies of a tensor with a mask, for us and for Keras."""
    ours, theirs = x.clone(), x.clone()
    if mask is not None:
        setattr(ours, MASK, mask)
        theirs._keras_mask = mask
    return ours, theirs


def same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    mask, expected = getattr(ours, MASK, None), getattr(theirs, "_keras_mask", None)
    assert (mask is None) == (expected is None)
    if mask is not None:
        assert torch.equal(mask, expected)


@st.composite
def broadcast(draw, count):
    """Shapes of samples that broadcast, some of them with fewer axes."""
    whole = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    shapes = []
    for _ in range(count):
        start = draw(st.integers(0, len(whole) - 1))
        shapes.append(tuple(1 if draw(st.booleans()) else size for size in whole[start:]))
    return shapes


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_inputs_are_broadcast_as_by_keras(keras, name, data):
    count = 2 if name == "Subtract" else data.draw(st.integers(2, 3))
    shapes = data.draw(broadcast(count))
    inputs = [numbers((3, *shape), seed) for seed, shape in enumerate(shapes)]
    layer = getattr(layers, name)()
    output = layer(inputs)
    same(output, getattr(keras.layers, name)()(inputs))
    assert layer.shape_after([(None, *shape) for shape in shapes]) == (None, *output.shape[1:])


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_masks_count_as_in_keras(keras, name, data):
    count = 2 if name == "Subtract" else data.draw(st.integers(2, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    pairs = []
    for seed in range(count):
        mask = torch.tensor(rng.random((4, 5)) < 0.5) if data.draw(st.booleans()) else None
        pairs.append(masked(numbers((4, 5, 2), seed), mask))
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    same(getattr(layers, name)()(ours), getattr(keras.layers, name)()(theirs))


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_may_be_given(name):
    x, y = numbers((2, 3, 4)), numbers((2, 3, 4), 1)
    mask = torch.tensor([[True, False, True], [True, True, False]])
    given = getattr(layers, name)()([x, y], mask=[mask, ~mask])
    for one, own in ((x, mask), (y, ~mask)):
        setattr(one, MASK, own)
    travelling = getattr(layers, name)()([x, y])
    assert torch.equal(given, travelling)
    assert torch.equal(getattr(given, MASK), getattr(travelling, MASK))


@settings(max_examples=40, deadline=None)
@given(axis=st.sampled_from([1, 2, 3, -1, -2, -3]), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_concatenation_is_that_of_numpy(axis, sizes):
    shapes = [[3, 2, 4, 5] for _ in sizes]
    for shape, size in zip(shapes, sizes, strict=True):
        shape[axis] = size
    inputs = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    layer = layers.Concatenate(axis)
    expected = np.concatenate([x.numpy() for x in inputs], axis)
    assert np.array_equal(layer(inputs), expected)
    assert layer.shape_after([(None, *shape[1:]) for shape in shapes]) == (None, *expected.shape[1:])


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("present", [(True, True), (True, False), (False, True), (False, False)])
def test_concatenated_masks_are_those_of_keras(keras, axis, present):
    rng = np.random.default_rng(0)
    pairs = [
        masked(numbers((4, 5, 2), seed), torch.tensor(rng.random((4, 5)) < 0.5) if there else None)
        for seed, there in enumerate(present)
    ]
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    same(layers.Concatenate(axis)(ours), keras.layers.Concatenate(axis)(theirs))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), normalize=st.booleans())
def test_dot_is_a_sum_of_products_over_one_axis_of_each(data, normalize):
    first, second = (data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)) for _ in range(2))
    a, b = data.draw(st.integers(1, len(first))), data.draw(st.integers(1, len(second)))
    second[b - 1] = first[a - 1]
    x, y = numbers((3, *first)).double(), numbers((3, *second), 1).double()
    axes = tuple(data.draw(st.sampled_from([axis, axis - x.dim()])) for axis, x in ((a, x), (b, y)))
    axes = axes if a != b or axes[0] != axes[1] or data.draw(st.booleans()) else axes[0]
    layer = layers.Dot(axes, normalize, dtype="float64")
    output = layer([x, y])
    if normalize:
        x, y = x / x.norm(dim=a, keepdim=True), y / y.norm(dim=b, keepdim=True)
    expected = np.stack([np.tensordot(one, two, ([a - 1], [b - 1])) for one, two in zip(x, y, strict=True)])
    expected = expected if expected.ndim > 1 else expected[:, None]
    np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-12)
    assert layer.shape_after([(None, *first), (None, *second)]) == (None, *expected.shape[1:])


def test_the_cosine_with_zeros_is_zero_and_so_is_its_gradient():
    x = torch.zeros(2, 3, requires_grad=True)
    output = layers.Dot(1, normalize=True)([x, x.detach()])
    output.sum().backward()
    assert output.tolist() == [[0.0], [0.0]]
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", [*NAMES, "Concatenate"])
def test_functions_are_their_layers(name):
    inputs = [numbers((3, 4)), numbers((3, 4), 1)]
    assert torch.equal(getattr(layers, name.lower())(inputs), getattr(layers, name)()(inputs))


def test_functions_take_the_arguments_of_their_layers():
    inputs = [numbers((3, 4, 2)), numbers((3, 4, 2), 1)]
    assert torch.equal(layers.concatenate(inputs, axis=1), layers.Concatenate(1)(inputs))
    assert torch.equal(layers.dot(inputs, axes=1), layers.Dot(1)(inputs))
    assert torch.equal(layers.dot(inputs, 2, normalize=True, name="cosine"), layers.Dot(2, True)(inputs))
    x = layers.Input((4, 2))
    assert layers.add([x, x], name="sum").node.function.name == "sum"


def test_a_net_with_branches_trains_and_predicts():
    a, b = layers.Input((4,)), layers.Input((4,))
    x = layers.concatenate([layers.add([a, b]), layers.multiply([a, b]), layers.dot([a, b], 1)])
    net = handson.Model([a, b], layers.Dense(1)(x))
    rows = [np.random.default_rng(seed).normal(size=(64, 4)).astype("float32") for seed in (0, 1)]
    y = (rows[0] * rows[1]).sum(1)
    net.compile(handson.optimizers.Adam(0.05), "mse")
    history = net.fit(rows, y, epochs=30, verbose=0, seed=0)
    assert history.history["loss"][-1] < 0.05 * history.history["loss"][0]
    expected = np.concatenate([rows[0] + rows[1], rows[0] * rows[1], y[:, None]], 1) @ net.layers[-1].get_weights()[0]
    np.testing.assert_allclose(net.predict(rows), expected + net.layers[-1].get_weights()[1], rtol=1e-4, atol=1e-4)


def test_integers_stay_integers_where_nothing_is_divided():
    x = torch.tensor([[1, 2]])
    assert layers.Add()([x, x]).dtype == layers.Maximum()([x, x]).dtype == torch.int64
    assert layers.Average()([x, x]).tolist() == [[1.0, 2.0]]


def test_a_layer_takes_inputs_of_other_sizes_the_next_time():
    layer = layers.Add()
    a, b = layers.Input((4,)), layers.Input((5, 6))
    assert (layer([a, a]).shape, layer([b, b]).shape) == ((None, 4), (None, 5, 6))


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (layers.Add(name="sum"), (None, 3), r"Add 'sum' takes a list of several inputs, as in layer\(\[a, b\]\); got"),
        (layers.Subtract(name="less"), [(None, 3)] * 3, r"Subtract 'less' takes a list of 2 inputs; got 3\."),
        (layers.Add(name="sum"), [(None, 3), (None, 4)], r"the same or broadcast; got \(None, 3\), \(None, 4\)\."),
        (
            layers.Concatenate(name="join"),
            [(None, 3), (None, 3, 4)],
            r"'join' takes inputs with the same number of axes",
        ),
        (layers.Concatenate(3, name="join"), [(None, 3), (None, 3)], r"axis=3 among them; got \(None, 3\)"),
        (layers.Concatenate(1, name="join"), [(None, 3, 4), (None, 2, 5)], r"of the same shape but for axis 1; got"),
        (layers.Dot(1, name="dot"), [(None, 3), (None, 4)], r"must have the same size; got 3 and 4\."),
        (layers.Dot(0, name="dot"), [(None, 3), (None, 3)], r"axes=0 must be axes of samples, not that of the rows"),
        (layers.Dot((1, 3), name="dot"), [(None, 3), (None, 3)], r"axes=\(1, 3\) must be axes of samples"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error_that_says_their_shapes(layer, shapes, message):
    with pytest.raises(HandsonError, match=message):
        layer.ensure_built(shapes)


def test_a_call_on_what_does_not_fit_is_an_error_too():
    with pytest.raises(HandsonError, match="Add 'add' takes a list of several inputs"):
        layers.Add()(torch.ones(2, 3))
    with pytest.raises(HandsonError, match="Add 'add' takes a list of several inputs"):
        layers.Add()([])
    with pytest.raises(HandsonError, match=r"the same or broadcast; got \(2, 3\), \(4, 3\)\."):
        layers.Add().shape_after([(2, 3), (4, 3)])
    layer = layers.Subtract()
    layer([torch.ones(2, 3)] * 2)
    with pytest.raises(HandsonError, match=r"Subtract 'subtract' takes a list of 2 inputs; got 3\."):
        layer([torch.ones(2, 3)] * 3)
    with pytest.raises(HandsonError, match="takes a list of masks, one or None for each of its 2 inputs; got one mask"):
        layers.Add()([torch.ones(2, 3, 1)] * 2, mask=torch.ones(2, 3))


@pytest.mark.parametrize(("axes", "said"), [((1, 2, 3), "two of them"), (1.5, "axes is a whole number"), ("x", "axes")])
def test_axes_that_are_none_are_an_error(axes, said):
    with pytest.raises(HandsonError, match=said):
        layers.Dot(axes)
    with pytest.raises(HandsonError, match="Concatenate: axis is a whole number; got 1.5"):
        layers.Concatenate(1.5)


def test_a_merge_of_ones_own_says_what_it_must_define():
    with pytest.raises(NotImplementedError, match=r"Own must define merge\(inputs, masks\)\."):
        type("Own", (layers.merging.Merge,), {})()([torch.ones(1, 1)])
