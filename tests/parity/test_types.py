"""Layers, losses and optimizers in float64, float16 and bfloat16: slopes, steps of training, files."""

import copy

import numpy as np
import optimizer_cases
import pytest
import random_nouns as nouns
import torch
from keras_files import Ours, theirs
from random_layers import CASES, Case

import handson
from handson import keras as mirrored
from handson import losses, optimizers
from handson.schedules import Position

# Keras says that a mask ends at a layer that knows none.
pytestmark = pytest.mark.filterwarnings("ignore:Layer '.*was passed an input with a mask attached")
# One layer of each family; each has its own lines of code for types.
FAMILIES = [
    "Dense", "EinsumDense", "Embedding", "PReLU", "Softmax", "Conv1D", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D",
    "SeparableConv2D", "AveragePooling2D", "MaxPooling1D", "UpSampling2D", "BatchNormalization", "LayerNormalization",
    "GroupNormalization", "RMSNormalization", "UnitNormalization", "SpectralNormalization", "LSTM", "RNN",
    "Bidirectional", "TimeDistributed", "Attention", "MultiHeadAttention", "Concatenate", "Dot",
]  # fmt: skip
# Of 8 bits, and of 11; some sums of many products lie further apart.
ROUNDING = {"float64": 1e-6, "bfloat16": 0.04, "float16": 0.01}
# Neither is piecewise smooth in its inputs, as finite differences want.
NO_SLOPE = {"CategoricalGeneralizedCrossEntropy"}


@pytest.fixture
def float64(keras):
    """Both libraries compute in float64 where nothing else is said."""
    both = (keras, mirrored)
    for of in both:
        of.config.set_floatx("float64")
    yield
    for of in both:
        of.config.set_floatx("float32")


@pytest.fixture
def kind(request, keras):
    if request.param == "float64":
        request.getfixturevalue("float64")
    return request.param


def net_of(name, of, kind, seed=5):
    case = Case(name, seed)
    case.masked = False
    return case, case.net(of, kind)


def filled(net):
    rng = np.random.default_rng(3)
    net.set_weights([rng.uniform(0.1, 0.6, weight.shape) for weight in net.get_weights()])
    return net


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("Embedding", "SpectralNormalization")])
def test_slopes_in_float64_are_finite_differences(float64, name):
    """Where anything is rounded to float32 on the way, they differ in the third digit."""
    case, net = net_of(name, Ours, "float64")
    filled(net)
    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in case.inputs(3)]
    net.eval()

    def outputs(*x):
        return net(list(x) if len(x) > 1 else x[0], training=False)

    assert outputs(*inputs).dtype == torch.float64
    assert torch.autograd.gradcheck(outputs, inputs, eps=1e-6, atol=1e-6, fast_mode=True)


@pytest.mark.parametrize("kind", ROUNDING, indirect=True)
@pytest.mark.parametrize("name", FAMILIES)
def test_ten_steps_are_those_of_keras_and_files_keep_every_bit(keras, tmp_path, name, kind):
    if kind != "float64" and name in ("RNN", "AveragePooling3D"):
        pytest.skip("Keras on PyTorch cannot draw its weights in 16 bits")
    found = []
    for of in (Ours, theirs(keras)):
        case, net = net_of(name, of, kind)
        filled(net)
        x = case.inputs(20)
        x = [one.astype(kind if kind == "float64" else "float32") if one.dtype.kind == "f" else one for one in x]
        net.compile(of.optimizers.SGD(2.0**-10), "mse")  # a rate that float32 holds exactly
        y = np.random.default_rng(0).normal(size=(20, 2))
        net.fit(x if len(x) > 1 else x[0], y, batch_size=2, epochs=1, shuffle=False, verbose=0)
        found.append(net)
    ours, other = found
    for one, two in zip(ours.get_weights(), other.get_weights(), strict=True):
        one, two = (np.asarray(each, "float64") for each in (one, two))
        np.testing.assert_allclose(one, two, rtol=ROUNDING[kind], atol=ROUNDING[kind])
    for ending in ("handson", "keras"):
        ours.save(tmp_path / f"net.{ending}")
        again = handson.load(tmp_path / f"net.{ending}")
        for one, two in zip(ours.weights, again.weights, strict=True):
            assert one.dtype == two.dtype
            assert torch.equal(one, two)


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16"])
def test_transposed_convolutions_of_one_channel_train_in_any_type(kind):
    """Keras on PyTorch fails in the backward pass: "grad_weight needs to be contiguous"."""
    layers = [handson.layers.Conv1DTranspose(2, 3, dtype=kind), handson.layers.Flatten(dtype=kind)]
    net = handson.Sequential([handson.Input((5, 1), dtype=kind), *layers])
    net.compile("sgd", "mse")
    before = net.get_weights()[0]
    net.fit(np.ones((4, 5, 1)), np.ones((4, net.output_shape[1])), batch_size=2, verbose=0)
    assert np.isfinite(net.get_weights()[0]).all()
    assert (net.get_weights()[0] != before).any()


@pytest.mark.parametrize("name", [name for name in nouns.LOSSES if name not in NO_SLOPE])
def test_losses_of_float64_are_computed_in_float64(name):
    case = nouns.LossCase(name, 3)
    loss = getattr(losses, name)(**case.arguments)
    y_pred = torch.tensor(case.y_pred, dtype=torch.float64).clamp(-5, 5).requires_grad_()
    kind = torch.int64 if loss.targets == "labels" else torch.float64
    y_true = torch.tensor(case.y_true).to(kind)
    assert loss.values(y_true, y_pred).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda y: loss.values(y_true, y), y_pred, eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("name", optimizer_cases.OWN_ARGUMENTS)
def test_optimizers_step_in_the_type_of_the_weights(name):
    """Ten steps in float64 lie within the rounding of float32 of those in float32, and are no float32 numbers."""
    rng = np.random.default_rng(0)
    start, slopes = rng.normal(size=(4, 3)), rng.normal(size=(10, 4, 3))
    ends = {}
    for kind in (torch.float32, torch.float64):
        optimizer = getattr(optimizers, name)(0.05)
        weights = [torch.tensor(start, dtype=kind)]
        optimizer.bind(["kernel"], weights)
        for step, slope in enumerate(copy.deepcopy(slopes)):
            optimizer.step(["kernel"], weights, [torch.tensor(slope, dtype=kind)], Position(step, 0, step, 10, 1))
        ends[kind] = weights[0]
    assert ends[torch.float64].dtype == torch.float64
    np.testing.assert_allclose(*ends.values(), rtol=3e-5, atol=3e-6)
    assert (ends[torch.float64] != ends[torch.float64].float()).any()
