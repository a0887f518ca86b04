"""Lasagne's layers against PyTorch and closed forms; each is the same as a layer of handson's net."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import handson.theano.tensor as T
from handson import HandsonError, lasagne, theano
from handson.lasagne import layers as L
from handson.lasagne.network import as_model

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(4, 2, 7, 7)).astype("float32")
SEQUENCES = RNG.normal(size=(4, 5, 3)).astype("float32")


@pytest.fixture(autouse=True)
def _seeded():
    lasagne.random.set_rng(np.random.RandomState(0))


def after(x, kind, *args, **kwargs):
    return kind(L.InputLayer((None, *x.shape[1:]), name="x"), *args, **kwargs)


def output(layer, x, **kwargs):
    (entry,) = [one for one in L.get_all_layers(layer) if isinstance(one, L.InputLayer)]
    return theano.function([entry.input_var], L.get_output(layer, **kwargs))(x)


LAYERS = {
    "dense": (IMAGES, L.DenseLayer, 3),
    "dense, two axes kept": (SEQUENCES, L.DenseLayer, 3, {"num_leading_axes": 2}),
    "network in network": (IMAGES, L.NINLayer, 3),
    "convolution": (IMAGES, L.Conv2DLayer, 3, 3),
    "convolution, padded and with a stride": (IMAGES, L.Conv2DLayer, 3, (3, 2), {"pad": (1, 0), "stride": 2}),
    "convolution, same": (IMAGES, L.Conv2DLayer, 3, 3, {"pad": "same"}),
    "convolution, full": (IMAGES, L.Conv2DLayer, 3, 3, {"pad": "full", "b": None}),
    "convolution, untied": (IMAGES, L.Conv2DLayer, 3, 3, {"untie_biases": True, "b": lasagne.init.Normal(1)}),
    "convolution in groups": (IMAGES, L.Conv2DLayer, 4, 3, {"num_groups": 2}),
    "convolution with gaps": (IMAGES, L.DilatedConv2DLayer, 3, 2, {"dilation": 2}),
    "convolution of sequences": (IMAGES[..., 0], L.Conv1DLayer, 3, 3, {"pad": 1}),
    "convolution of volumes": (IMAGES[..., None], L.Conv3DLayer, 3, (3, 3, 1)),
    "transposed convolution": (IMAGES, L.TransposedConv2DLayer, 3, 3, {"stride": 2, "crop": 1}),
    "largest": (IMAGES, L.MaxPool2DLayer, 2),
    "largest, with the border": (IMAGES, L.MaxPool2DLayer, 2, {"ignore_border": False}),
    "mean, padded": (IMAGES, L.Pool2DLayer, 3, {"pad": 1, "stride": 2, "mode": "average_exc_pad"}),
    "sum": (IMAGES, L.Pool2DLayer, 2, {"mode": "sum"}),
    "upscale": (IMAGES, L.Upscale2DLayer, 2),
    "maxout": (IMAGES, L.FeaturePoolLayer, 2),
    "global": (IMAGES, L.GlobalPoolLayer),
    "flatten": (IMAGES, L.FlattenLayer),
    "reshape": (IMAGES, L.ReshapeLayer, ([0], -1, 7)),
    "dimshuffle": (IMAGES, L.DimshuffleLayer, (0, 2, "x", 3, 1)),
    "padding": (IMAGES, L.PadLayer, ((1, 2), 0), 3.0),
    "slice": (IMAGES, L.SliceLayer, slice(1, 6, 2)),
    "place": (IMAGES, L.SliceLayer, -1, 1),
    "batch normalization": (IMAGES, L.BatchNormLayer),
    "local responses": (IMAGES, L.LocalResponseNormalization2DLayer, {"n": 3}),
    "bias": (IMAGES, L.BiasLayer, lasagne.init.Normal(1.0)),
    "scale": (IMAGES, L.ScaleLayer, lasagne.init.Normal(1.0)),
    "prelu": (IMAGES, L.ParametricRectifierLayer),
    "rrelu": (IMAGES, L.RandomizedRectifierLayer),
    "expression": (IMAGES, L.ExpressionLayer, lambda x: x.sum(axis=1), "auto"),
    "nonlinearity": (IMAGES, L.NonlinearityLayer, lasagne.nonlinearities.tanh),
    "recurrent": (SEQUENCES, L.RecurrentLayer, 4),
    "lstm": (SEQUENCES, L.LSTMLayer, 4, {"backwards": True}),
    "gru": (SEQUENCES, L.GRULayer, 4, {"only_return_final": True}),
    "dropout": (IMAGES, L.DropoutLayer),
    "filters of their own": (IMAGES, L.LocallyConnected2DLayer, 3, 3),
    "filters of their own, strides": (IMAGES, L.LocallyConnected2DLayer, 3, (2, 3), 2, 1, True, lasagne.init.Normal(1)),
    "filters of their own, by channel": (IMAGES, L.LocallyConnected2DLayer, 2, 3, {"channelwise": True}),
    "filters of their own along sequences": (SEQUENCES, L.LocallyConnected1DLayer, 4, 3),
    "filters of their own in volumes": (IMAGES[..., None], L.LocallyConnected3DLayer, 3, (3, 3, 1)),
    "winners": (IMAGES, L.FeatureWTALayer, 2),
    "pyramid": (IMAGES, L.SpatialPyramidPoolingLayer, [3, 2, 1]),
    "pyramid of means": (IMAGES, L.SpatialPyramidPoolingLayer, [2, 1], "average_exc_pad"),
    "standardization": (IMAGES, L.StandardizationLayer),
    "standardization of features": (SEQUENCES, L.StandardizationLayer, "features"),
    "noise": (IMAGES, L.GaussianNoiseLayer),
}


@pytest.mark.parametrize("name", LAYERS)
def test_shape_and_net_of_handson(name):
    """What the layer says of its shape is so, and handson's net with its weights computes the same."""
    x, kind, *args = LAYERS[name]
    kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
    layer = after(x, kind, *args, **kwargs, name="it")
    found = output(layer, x, deterministic=True)
    assert found.shape[1:] == layer.output_shape[1:]
    model = as_model(layer, seed=0)
    np.testing.assert_allclose(model.predict(x), found, rtol=1e-4, atol=1e-5)
    assert model.count_params() == L.count_params(layer)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("pad", ["same", 0])
def test_filters_that_are_the_same_everywhere_are_a_convolution(flip, pad):
    settings = {"nonlinearity": None, "flip_filters": flip, "pad": pad, "b": lasagne.init.Normal(1)}
    tied = after(IMAGES, L.Conv2DLayer, 3, 3, **settings)
    local = after(IMAGES, L.LocallyConnected2DLayer, 3, 3, **settings)
    everywhere = np.broadcast_to(tied.W.get_value()[..., None, None], local.W.get_value().shape)
    local.W.set_value(np.ascontiguousarray(everywhere))
    local.b.set_value(tied.b.get_value())
    np.testing.assert_allclose(output(local, IMAGES), output(tied, IMAGES), atol=1e-5)


def test_winners_are_the_largest_of_their_groups():
    x = np.array([[1.0, 3.0, -1.0, -2.0]], "float32")
    layer = after(x, L.FeatureWTALayer, 2)
    np.testing.assert_array_equal(output(layer, x), [[0.0, 3.0, -1.0, 0.0]])


def test_a_pyramid_pools_the_regions_of_its_grids():
    found = output(after(IMAGES, L.SpatialPyramidPoolingLayer, [2, 1]), IMAGES)
    quarters = [
        IMAGES[:, :, rows, columns].max((2, 3))
        for rows in (slice(4), slice(3, 7))
        for columns in (slice(4), slice(3, 7))
    ]
    np.testing.assert_array_equal(found, np.stack([*quarters, IMAGES.max((2, 3))], 2))


@pytest.mark.parametrize(("norm", "reference"), [
    (L.instance_norm, lambda x: F.instance_norm(x, eps=1e-4)),
    (L.layer_norm, lambda x: F.layer_norm(x, x.shape[1:], eps=1e-4)),
])  # fmt: skip
def test_normalized_layers_are_those_of_pytorch(norm, reference):
    plain = after(IMAGES, L.Conv2DLayer, 3, 3, nonlinearity=None, b=None)
    expected = F.relu(reference(torch.tensor(output(plain, IMAGES))))
    normalized = norm(after(IMAGES, L.Conv2DLayer, 3, 3, W=plain.W.get_value()))
    np.testing.assert_allclose(output(normalized, IMAGES), expected.numpy(), atol=1e-4)
    assert [param.name for param in L.get_all_params(normalized)] == ["W", "scales", "b"]


def test_a_transformer_moves_and_shrinks_images():
    entry = L.InputLayer((None, 2, 7, 7))
    still = L.DenseLayer(
        entry, 6, W=np.zeros((98, 6), "float32"), b=np.eye(2, 3, dtype="float32").ravel(), nonlinearity=None
    )
    np.testing.assert_allclose(output(L.TransformerLayer(entry, still), IMAGES), IMAGES, atol=1e-5)
    still.b.set_value(np.array([[1, 0, 1 / 3], [0, 1, 0]], "float32").ravel())  # a third of half the width: one pixel
    moved = output(L.TransformerLayer(entry, still), IMAGES)
    np.testing.assert_allclose(moved[..., :-1], IMAGES[..., 1:], atol=1e-5)
    np.testing.assert_allclose(moved[..., -1], IMAGES[..., -1], atol=1e-5)
    assert output(L.TransformerLayer(entry, still, 2.3), IMAGES).shape == (4, 2, 3, 3)


@pytest.mark.parametrize(("mode", "part"), [("lower", slice(0, 5)), ("upper", slice(2, 7)), ("center", slice(1, 6))])
def test_merged_inputs_are_cropped_to_the_smallest(mode, part):
    entry = L.InputLayer((None, 2, 7, 7))
    small = L.Conv2DLayer(entry, 2, 3)
    cropping = [None, None, mode, mode]
    there = L.ConcatLayer([entry, small], cropping=cropping)
    assert there.output_shape == (None, 4, 5, 5)
    np.testing.assert_array_equal(output(there, IMAGES)[:, :2], IMAGES[:, :, part, part])
    total = L.ElemwiseSumLayer([entry, small], cropping=cropping)
    np.testing.assert_allclose(
        output(total, IMAGES), IMAGES[:, :, part, part] + output(small, IMAGES), atol=1e-6
    )  # fmt: skip
    np.testing.assert_allclose(as_model(there, seed=0).predict(IMAGES), output(there, IMAGES), atol=1e-6)


@pytest.mark.parametrize(("make", "message"), [
    (lambda x: L.ConcatLayer([x, x], cropping=[None, "centre"]), "Did you mean 'center'"),
    (lambda x: L.LocallyConnected2DLayer(x, 3, 3, channelwise=True), "as many filters as channels; got 3 and 2"),
    (lambda x: L.SpatialPyramidPoolingLayer(x, implementation="fast"), "Use 'kaiming'"),
    (lambda x: L.StandardizationLayer(L.FlattenLayer(x)), "axes='features'"),
    (lambda x: L.TransformerLayer(x, L.DenseLayer(x, 4)), r"maps \(n, 6\); got"),
])  # fmt: skip
def test_layers_say_what_they_need(make, message):
    with pytest.raises(HandsonError, match=message):
        make(L.InputLayer((None, 2, 7, 7)))


@pytest.mark.parametrize("flip", [True, False])
def test_convolution_flips_its_filters(flip):
    layer = after(IMAGES, L.Conv2DLayer, 3, 3, pad=1, stride=2, flip_filters=flip, nonlinearity=None)
    filters = torch.tensor(layer.W.get_value())
    expected = F.conv2d(torch.tensor(IMAGES), filters.flip(2, 3) if flip else filters, padding=1, stride=2)
    np.testing.assert_allclose(output(layer, IMAGES), expected.numpy(), atol=1e-5)


def test_transposed_convolution_is_the_backward_pass_of_convolution():
    small = RNG.normal(size=(2, 3, 3, 3)).astype("float32")
    layer = after(small, L.TransposedConv2DLayer, 2, 3, stride=2, nonlinearity=None)
    image = torch.zeros(2, 2, 7, 7, requires_grad=True)
    # Lasagne's convolution flips its filters; the transposed one, by default, does not.
    forward = F.conv2d(image, torch.tensor(layer.W.get_value()), stride=2)
    (expected,) = torch.autograd.grad(forward, image, torch.tensor(small))
    np.testing.assert_allclose(output(layer, small), expected.numpy(), atol=1e-5)


def test_lstm_is_that_of_the_equations():
    layer = after(SEQUENCES, L.LSTMLayer, 2, ingate=L.Gate(b=lasagne.init.Normal(1)))
    p = {param.name: param.get_value() for param in layer.get_params()}

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    hidden, cell, expected = np.zeros((4, 2)), np.zeros((4, 2)), []
    for x in SEQUENCES.transpose(1, 0, 2):

        def gate(name, x=x, hidden=hidden):
            return x @ p[f"W_in_to_{name}"] + hidden @ p[f"W_hid_to_{name}"] + p[f"b_{name}"]

        into = sigmoid(gate("ingate") + cell * p["W_cell_to_ingate"])
        keep = sigmoid(gate("forgetgate") + cell * p["W_cell_to_forgetgate"])
        cell = keep * cell + into * np.tanh(gate("cell"))
        hidden = sigmoid(gate("outgate") + cell * p["W_cell_to_outgate"]) * np.tanh(cell)
        expected.append(hidden)
    np.testing.assert_allclose(output(layer, SEQUENCES), np.stack(expected, 1), atol=1e-5)


def test_gru_is_that_of_torch():
    layer = after(SEQUENCES, L.GRULayer, 2)
    p = {param.name: torch.tensor(param.get_value()) for param in layer.get_params()}
    gru = torch.nn.GRU(3, 2, batch_first=True)
    names = ("resetgate", "updategate", "hidden_update")
    with torch.no_grad():
        gru.weight_ih_l0.copy_(torch.cat([p[f"W_in_to_{name}"].T for name in names]))
        gru.weight_hh_l0.copy_(torch.cat([p[f"W_hid_to_{name}"].T for name in names]))
        gru.bias_ih_l0.zero_(), gru.bias_hh_l0.zero_()
        # torch keeps a share z of the state, Lasagne replaces that share of it.
        update = slice(2, 4)
        gru.weight_ih_l0[update] *= -1
        gru.weight_hh_l0[update] *= -1
        expected = gru(torch.tensor(SEQUENCES))[0]
    np.testing.assert_allclose(output(layer, SEQUENCES), expected.numpy(), atol=1e-5)


def test_masked_steps_leave_the_state():
    x, mask = L.InputLayer((None, 5, 3)), L.InputLayer((None, 5))
    layer = L.RecurrentLayer(x, 4, mask_input=mask)
    run = theano.function([x.input_var, mask.input_var], L.get_output(layer))
    masked = run(SEQUENCES, np.tile([1, 1, 1, 0, 0], (4, 1)))
    np.testing.assert_array_equal(masked[:, 2], masked[:, 4])


def test_custom_recurrence_is_the_recurrent_layer():
    plain = after(SEQUENCES, L.RecurrentLayer, 4)
    into = L.DenseLayer(L.InputLayer((None, 3)), 4, W=plain.W_in_to_hid.get_value(), b=None, nonlinearity=None)
    back = L.DenseLayer(L.InputLayer((None, 4)), 4, W=plain.W_hid_to_hid.get_value(), b=None, nonlinearity=None)
    custom = after(SEQUENCES, L.CustomRecurrentLayer, into, back)
    np.testing.assert_allclose(output(custom, SEQUENCES), output(plain, SEQUENCES), atol=1e-6)


def test_embedding():
    words = T.imatrix()
    layer = L.EmbeddingLayer(L.InputLayer((None, 4), words), 10, 3)
    ids = RNG.integers(0, 10, (2, 4))
    found = theano.function([words], L.get_output(layer))(ids)
    np.testing.assert_array_equal(found, layer.W.get_value()[ids])


def test_merging():
    one, two = L.InputLayer((None, 3)), L.InputLayer((None, 3))
    a, b = SEQUENCES[:, 0], SEQUENCES[:, 1]
    made = [
        L.ConcatLayer([one, two]), L.ElemwiseSumLayer([one, two], coeffs=[2, -1]), L.ElemwiseSumLayer([one, two]),
        L.ElemwiseMergeLayer([one, two], T.maximum),
    ]  # fmt: skip
    found = theano.function([one.input_var, two.input_var], L.get_output(made))(a, b)
    for value, expected in zip(found, [np.concatenate([a, b], 1), 2 * a - b, a + b, np.maximum(a, b)], strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-6)


def test_batch_normalization_moves_its_averages_while_training():
    layer = after(IMAGES, L.BatchNormLayer, alpha=0.25)
    found = output(layer, IMAGES)
    axes = (0, 2, 3)
    mean, variance = IMAGES.mean(axes), IMAGES.var(axes)
    np.testing.assert_allclose(found.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(layer.mean.get_value(), 0.25 * mean, atol=1e-6)
    np.testing.assert_allclose(layer.inv_std.get_value(), (0.75 * 1 + 0.25 * variance) ** -0.5, rtol=1e-3)
    before = layer.mean.get_value()
    output(layer, IMAGES, deterministic=True)
    np.testing.assert_array_equal(layer.mean.get_value(), before)


def test_batch_norm_takes_bias_and_nonlinearity_away():
    dense = after(SEQUENCES[:, 0], L.DenseLayer, 4)
    found = L.batch_norm(dense)
    assert [type(one).__name__ for one in L.get_all_layers(found)[1:]] == [
        "DenseLayer", "BatchNormLayer", "NonlinearityLayer",
    ]  # fmt: skip
    assert dense.b is None
    assert output(dense, SEQUENCES[:, 0]).min() < 0
    assert output(found, SEQUENCES[:, 0]).min() == 0


def test_dropout_drops_and_is_off_when_deterministic():
    ones = np.ones((50, 20), "float32")
    layer = after(ones, L.DropoutLayer, p=0.25)
    found = output(layer, ones)
    np.testing.assert_allclose(np.unique(found), [0, 1 / 0.75], rtol=1e-6)
    assert abs((found == 0).mean() - 0.25) < 0.06
    run = theano.function([L.get_all_layers(layer)[0].input_var], L.get_output(layer))
    assert (run(ones) != run(ones)).any()
    np.testing.assert_array_equal(output(layer, ones, deterministic=True), ones)


def test_shared_parameters():
    x = L.InputLayer((None, 3))
    one = L.DenseLayer(x, 3, name="one")
    two = L.DenseLayer(one, 3, W=one.W, b=one.b)
    assert len(L.get_all_params(two)) == 2
    assert as_model(two).count_params() == 12
    one.W.set_value(np.zeros((3, 3)))
    assert not two.W.get_value().any()


def test_an_own_layer_with_parameters():
    class Dot(L.Layer):
        def __init__(self, incoming, num_units, W=lasagne.init.Normal(0.1), **kwargs):  # noqa: B008
            super().__init__(incoming, **kwargs)
            self.num_units = num_units
            self.W = self.add_param(W, (self.input_shape[1], num_units), name="W")

        def get_output_shape_for(self, input_shape):
            return (input_shape[0], self.num_units)

        def get_output_for(self, input, **kwargs):
            return T.dot(input, self.W)

    x = SEQUENCES[:, 0]
    layer = after(x, Dot, 2)
    np.testing.assert_allclose(output(layer, x), x @ layer.W.get_value(), atol=1e-6)
    model = as_model(layer, seed=0)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((4, 2)), epochs=1, verbose=0)
    np.testing.assert_allclose(model.predict(x), x @ layer.W.get_value(), atol=1e-6)


def test_the_inverse_of_a_layer_is_its_backward_pass():
    x = SEQUENCES[:, 0]
    dense = after(x, L.DenseLayer, 2, nonlinearity=None, b=None)
    inverse = L.InverseLayer(dense, dense)
    w = dense.W.get_value()
    np.testing.assert_allclose(output(inverse, x), x @ w @ w.T, atol=1e-5)
    with pytest.raises(HandsonError, match=r"theano\.function"):
        as_model(inverse)
    weight = torch.tensor(w, requires_grad=True)
    loss = ((torch.tensor(x) @ weight @ weight.T - torch.tensor(x)) ** 2).mean()
    loss.backward()
    target = [one.input_var for one in L.get_all_layers(inverse) if isinstance(one, L.InputLayer)][0]  # noqa: RUF015
    cost = T.mean((L.get_output(inverse) - target) ** 2)
    slope = theano.function([target], theano.grad(cost, dense.W))(x)
    np.testing.assert_allclose(slope, weight.grad.numpy(), atol=1e-5)


def test_any_layer_can_be_an_input_and_shapes_follow():
    layer = L.DenseLayer(L.DenseLayer(L.InputLayer((None, 3)), 4), 2)
    hidden = RNG.normal(size=(5, 4))
    found = L.get_output(layer, {layer.input_layer: hidden}).eval()
    expected = np.maximum(hidden @ layer.W.get_value() + layer.b.get_value(), 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert L.get_output_shape(layer, (7, 3)) == (7, 2)


def test_all_or_no_values_are_set():
    layer = L.DenseLayer((None, 3), 2)
    values = L.get_all_param_values(layer)
    with pytest.raises(HandsonError, match="nothing was set"):
        L.set_all_param_values(layer, [values[0] + 1, np.zeros(3)])
    np.testing.assert_array_equal(layer.W.get_value(), values[0])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: L.Conv2DLayer(x, 3, 3), "takes inputs with 4 axes"),
        (lambda x: L.DenseLayer(L.InputLayer((None, None)), 3), "known sizes"),
        (lambda x: L.get_output(L.DenseLayer(x, 2), deterministics=True), "Did you mean 'deterministic'"),
        (lambda x: L.DenseLayer(x, 2, W=np.zeros((2, 2))), r"has shape \(3, 2\)"),
        (lambda x: L.DenseLayer(x, 3, W=T.matrix().T), "get_output_for"),
        (lambda x: L.ReshapeLayer(x, (-1, -1)), "one size at most"),
        (lambda x: L.ConcatLayer([x, L.InputLayer((None, 3, 1))]), "other numbers of axes"),
        (lambda x: L.ConcatLayer([x, L.InputLayer((5, 4))], axis=0), "do not fit together"),
        (lambda x: L.LSTMLayer(L.InputLayer((None, 4, 3)), 2, gradient_steps=5), "gradient_steps"),
        (lambda x: lasagne.updates.sgd(x.input_var.sum(), [x.input_var], 0.1), "shared variables"),
    ],
)
def test_refused(call, said):
    with pytest.raises(HandsonError, match=said):
        call(L.InputLayer((None, 3)))


def test_names_that_are_not_there_say_what_to_use():
    with pytest.raises(AttributeError, match="ExpressionLayer"):
        L.TPSTransformerLayer  # noqa: B018
    with pytest.raises(AttributeError, match="DenseLayer"):
        L.DenseLayr  # noqa: B018
