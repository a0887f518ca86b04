"""Activations as layers, and layers that change shapes: against Keras over random shapes and arguments."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson.core.errors import HandsonError
from handson.layers import ELU, Dense, Flatten, Input, LeakyReLU, Masking, Permute, PReLU, ReLU, RepeatVector, Softmax
from handson.layers.calling import MASK

SAMPLES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
SLOPES = st.sampled_from([0.0, 0.1, 0.5, 2.0])


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32") * 3


def compared(keras, ours, theirs, x, **call):
    """Outputs and gradients of both; the layer of Keras takes over the weights of ours."""
    ours.ensure_built((None, *x.shape[1:]), 3)
    theirs.build((None, *x.shape[1:]))
    theirs.set_weights(ours.get_weights())
    mine, other = (torch.tensor(x, requires_grad=True) for _ in range(2))
    y, expected = ours(mine, **call), theirs(other, **call)
    assert tuple(y.shape[1:]) == tuple(ours.output_shape((None, *x.shape[1:]))[1:])
    np.testing.assert_allclose(y.detach(), expected.detach(), rtol=1e-4, atol=1e-5)
    factors = torch.tensor(numbers(y.shape, 9))
    weights = [weight for weight in ours.weights if weight.requires_grad]
    found = torch.autograd.grad((y * factors).sum(), [mine, *weights])
    wanted = torch.autograd.grad((expected * factors).sum(), [other, *(one.value for one in theirs.trainable_weights)])
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    sample=SAMPLES, rows=st.integers(1, 4), top=st.sampled_from([None, 0.5, 2, 6.0]), slope=SLOPES,
    threshold=st.sampled_from([0.0, 0.7]),
)  # fmt: skip
def test_relu_is_that_of_keras(keras, sample, rows, top, slope, threshold):
    ours, theirs = ReLU(top, slope, threshold), keras.layers.ReLU(top, slope, threshold)
    compared(keras, ours, theirs, numbers((rows, *sample)))


@settings(max_examples=10, deadline=None)
@given(sample=SAMPLES, slope=SLOPES)
def test_leaky_relu_and_elu_are_those_of_keras(keras, sample, slope):
    compared(keras, LeakyReLU(slope), keras.layers.LeakyReLU(slope), numbers((3, *sample)))
    compared(keras, ELU(slope), keras.layers.ELU(slope), numbers((3, *sample)))


@settings(max_examples=25, deadline=None)
@given(sample=SAMPLES, data=st.data())
def test_prelu_is_that_of_keras(keras, sample, data):
    axes = data.draw(st.sets(st.integers(1, len(sample))))
    shared = data.draw(st.sampled_from([sorted(axes), tuple(axes), None]))
    ours, theirs = PReLU("random_normal", shared_axes=shared), keras.layers.PReLU("ones", shared_axes=shared)
    compared(keras, ours, theirs, numbers((3, *sample)))


@settings(max_examples=25, deadline=None)
@given(sample=SAMPLES, data=st.data(), masked=st.booleans())
def test_softmax_is_that_of_keras(keras, sample, data, masked):
    axis = data.draw(st.integers(-len(sample), len(sample)).filter(lambda axis: axis != 0))
    several = data.draw(st.booleans())
    axes = sorted({axis % (len(sample) + 1), len(sample)}) if several else axis
    x = numbers((3, *(size if size > 1 else 2 for size in sample)))  # of one value Keras warns
    call = {"mask": torch.tensor(numbers(x.shape, 5) > -1)} if masked else {}
    compared(keras, Softmax(axes), keras.layers.Softmax(axes), x, **call)


def test_a_mask_of_softmax_may_be_smaller_and_of_numbers(keras):
    x = numbers((2, 3, 4))
    for mask in (np.array([1.0, 0.0, 1.0, 0.2], "float32"), np.ones((3, 1), bool), np.zeros((1, 4), bool)):
        ours, theirs = Softmax()(x, mask=torch.tensor(mask)), keras.layers.Softmax()(x, mask=torch.tensor(mask))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (2, 2, 3, 4), (3, 3)])
def test_a_mask_that_cannot_be_broadcast_is_an_error(shape):
    with pytest.raises(HandsonError, match=r"a mask of shape .* cannot be broadcast to inputs of shape \(2, 3, 4\)"):
        Softmax()(torch.ones(2, 3, 4), mask=torch.ones(shape, dtype=torch.bool))


def test_a_mask_of_steps_counts_where_the_sum_is_over_steps():
    x = torch.tensor(numbers((2, 3, 4)))
    x[0, 1] = 0.0
    masked = Masking()(x)
    over_classes, over_steps = Softmax()(masked), Softmax(axis=1)(masked)
    np.testing.assert_allclose(over_classes, torch.softmax(x, -1), rtol=1e-6)
    assert over_steps[0, 1].tolist() == [0.0] * 4
    np.testing.assert_allclose(over_steps[0, [0, 2]], torch.softmax(x[0, [0, 2]], 0), rtol=1e-6)
    for outputs in (over_classes, over_steps):
        assert getattr(outputs, MASK).tolist() == [[True, False, True], [True] * 3]


def test_the_loss_sees_the_logits_of_a_softmax_layer():
    net = handson.Sequential([Input((3,)), Dense(4), Softmax()], seed=0)
    net.layers[0].set_weights([np.eye(3, 4, dtype="float32") * 200, np.zeros(4, "float32")])
    net.compile("sgd", "sparse_categorical_crossentropy")
    assert net.evaluate(np.eye(3), [1, 2, 0]) == pytest.approx(200.0, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(sample=SAMPLES, data=st.data())
def test_permute_is_that_of_keras(keras, sample, data):
    dims = data.draw(st.permutations(range(1, len(sample) + 1)))
    compared(keras, Permute(dims), keras.layers.Permute(dims), numbers((3, *sample)))


@settings(max_examples=10, deadline=None)
@given(features=st.integers(1, 5), n=st.integers(1, 5), rows=st.integers(1, 3))
def test_repeat_vector_is_that_of_keras(keras, features, n, rows):
    compared(keras, RepeatVector(n), keras.layers.RepeatVector(n), numbers((rows, features)))


@settings(max_examples=10, deadline=None)
@given(sample=SAMPLES, data_format=st.sampled_from([None, "channels_last", "channels_first"]))
def test_flatten_is_that_of_keras(keras, sample, data_format):
    compared(keras, Flatten(data_format), keras.layers.Flatten(data_format), numbers((3, *sample)))


def test_alpha_of_keras_2_is_the_slope():
    assert LeakyReLU(alpha=0.2).get_config()["negative_slope"] == 0.2
    assert "alpha" not in LeakyReLU(alpha=0.2).get_config()
    assert LeakyReLU(alpha=0.5)(torch.tensor([-2.0])).item() == -1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReLU(max_value=-1.0), "ReLU: max_value is a number, and not negative; got -1.0"),
        (lambda: ReLU(negative_slope=None), "ReLU: negative_slope is a number, and not negative; got None"),
        (lambda: ReLU(threshold="0"), "ReLU: threshold is a number, and not negative; got '0'"),
        (lambda: LeakyReLU(-0.1), "LeakyReLU: negative_slope is a number"),
        (lambda: Permute((0, 1)), r"Permute: dims has each axis of a sample once, counted from 1"),
        (lambda: Permute((1, 1)), r"Permute: dims has each axis"),
        (lambda: Permute(()), r"Permute: dims has each axis"),
        (lambda: Permute(2), r"Permute: dims has each axis"),
        (lambda: Permute((2, 1))(torch.ones(2, 3)), r"Permute 'permute' takes inputs of shape \(batch, and 2 axes\)"),
        (lambda: RepeatVector(0), "RepeatVector: n must be a positive whole number; got 0"),
        (lambda: RepeatVector(2.0), "RepeatVector: n must be a positive whole number; got 2.0"),
        (lambda: RepeatVector(2)(torch.ones(2, 3, 4)), r"RepeatVector 'repeat_vector' takes inputs of shape"),
        (lambda: Flatten("first"), "Flatten: data_format is one of"),
        (lambda: PReLU(shared_axes=[0])(torch.ones(2, 3)), r"PReLU 'p_re_lu': shared_axes are axes of samples"),
        (lambda: PReLU(shared_axes=[2])(torch.ones(2, 3)), r"PReLU 'p_re_lu': shared_axes are axes of samples"),
        (lambda: PReLU()(Input((None, 3))), r"PReLU 'p_re_lu' needs known sizes .* shared_axes"),
    ],
)
def test_wrong_arguments_are_errors(make, message):
    with pytest.raises(HandsonError, match=message):
        make()
