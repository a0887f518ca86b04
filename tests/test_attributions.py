"""Attributions, against closed forms and against the same by hand in torch."""

import numpy as np
import pytest
import torch
from torch import nn

from handson import HandsonError, Model, Sequential, attributions, layers, plots
from handson.attributions import grad_cam, integrated_gradients, layer_output, occlusion, saliency


def classifier(activation="softmax"):
    net = Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", padding="same", input_shape=(9, 7, 2), name="first"),
            layers.Conv2D(5, 3, activation="tanh", name="second"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, activation=activation),
        ],
        seed=0,
    )
    net.compile("sgd", "sparse_categorical_crossentropy" if activation == "softmax" else "mse")
    return net


def images(rng, count=4):
    return rng.normal(size=(count, 9, 7, 2)).astype(np.float32)


def by_hand(net, x, target):
    """The scores of a handson net before its softmax, as a function of a tensor."""
    x = torch.relu(net.layers[0].convolve(x))
    x = torch.tanh(net.layers[1].convolve(x))
    dense = net.layers[-1]
    return (x.reshape(len(x), -1) @ dense.kernel + dense.bias)[torch.arange(len(x)), target]


# Closed forms.


@pytest.mark.parametrize("explain", [saliency, integrated_gradients])
def test_of_a_linear_net_every_slope_is_its_weight(rng, explain):
    net = Sequential([layers.Dense(2, input_dim=5)], seed=0)
    x = rng.normal(size=(6, 5)).astype(np.float32)
    kernel = net.layers[0].kernel.detach().numpy()
    for column in (0, 1):
        expected = np.broadcast_to(kernel[:, column], x.shape)
        expected = expected * x if explain is integrated_gradients else expected
        np.testing.assert_allclose(explain(net, x, column), expected, rtol=1e-5, atol=1e-6)


def test_slopes_are_in_the_users_units(rng):
    x = rng.normal(10, 4, size=(50, 2)).astype(np.float32)
    net = Sequential([layers.Dense(1)], seed=0)
    net.compile("sgd", "mse", scale_inputs="standard")
    net.fit(x, x[:, :1], verbose=0)
    kernel = net.layers[0].kernel.detach().numpy()[:, 0]
    np.testing.assert_allclose(saliency(net, x[:3]), np.tile(kernel / x.std(0), (3, 1)), rtol=1e-3)


@pytest.mark.parametrize("baseline", [0.0, 0.3])
def test_integrated_gradients_add_up_to_the_difference_of_the_scores(rng, baseline):
    net, x, target = classifier(), images(rng), np.array([0, 1, 2, 0])
    parts = integrated_gradients(net, x, target, baseline, steps=128)
    assert parts.shape == x.shape
    with torch.no_grad():
        both = [torch.from_numpy(rows) for rows in (x, np.full_like(x, baseline))]
        scores = [by_hand(net, rows, torch.from_numpy(target)) for rows in both]
    np.testing.assert_allclose(parts.sum((1, 2, 3)), (scores[0] - scores[1]).numpy(), rtol=2e-2, atol=2e-3)


def test_integrated_gradients_of_a_square_are_exact():
    class Square(nn.Module):
        def forward(self, x):
            return x.square().sum(1, keepdim=True)

    x = np.array([[1.0, -2.0, 3.0]])
    np.testing.assert_allclose(integrated_gradients(Square(), x, steps=2), x**2, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_occlusion_of_a_linear_net_is_the_weight_under_the_window(size):
    net = nn.Sequential(nn.Flatten(), nn.Linear(20, 1, bias=False))
    x = np.ones((1, 5, 4, 1), np.float32)
    found = occlusion(net, x, size=size, stride=1, value=0.0)[0]
    weights = net[1].weight.detach().numpy().reshape(5, 4)
    expected, count = np.zeros((5, 4)), np.zeros((5, 4))
    for top in range(5 - size + 1):
        for left in range(4 - size + 1):
            window = slice(top, top + size), slice(left, left + size)
            expected[window] += weights[window].sum()
            count[window] += 1
    np.testing.assert_allclose(found, expected / count, rtol=1e-4, atol=1e-6)


def test_occlusion_of_tables_and_sequences_has_a_value_for_each_feature_and_step(rng):
    table = Sequential([layers.Dense(1, input_dim=3)], seed=0)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    kernel = table.layers[0].kernel.detach().numpy()[:, 0]
    np.testing.assert_allclose(occlusion(table, x), (x - x.mean(0)) * kernel, rtol=1e-3, atol=1e-5)
    sequence = Sequential([layers.LSTM(3, input_shape=(11, 2)), layers.Dense(1)], seed=0)
    assert occlusion(sequence, rng.normal(size=(2, 11, 2)), size=4, stride=3).shape == (2, 11)


# By hand in torch.


def test_saliency_is_the_gradient_of_the_logit(rng):
    net, x, target = classifier(), images(rng), torch.tensor([0, 1, 2, 0])
    leaf = torch.from_numpy(x).requires_grad_()
    (expected,) = torch.autograd.grad(by_hand(net, leaf, target).sum(), leaf)
    np.testing.assert_allclose(saliency(net, x, target.numpy()), expected.numpy(), rtol=1e-4, atol=1e-6)
    best = torch.stack([by_hand(net, torch.from_numpy(x), torch.full((4,), c)) for c in range(3)]).argmax(0)
    np.testing.assert_array_equal(saliency(net, x), saliency(net, x, best.numpy()))


def test_a_net_that_is_sure_still_has_slopes(rng):
    net, x = classifier(), images(rng)
    net.layers[-1].set_weights([100 * weight for weight in net.layers[-1].get_weights()])
    assert net.predict(x).max(1).min() > 0.99
    assert np.abs(saliency(net, x)).max(axis=(1, 2, 3)).min() > 0.1


def test_grad_cam_is_what_the_paper_says(rng):
    net, x, target = classifier(), images(rng), torch.tensor([0, 1, 2, 0])
    first = torch.relu(net.layers[0].convolve(torch.from_numpy(x)))
    maps = torch.tanh(net.layers[1].convolve(first))
    dense = net.layers[-1]
    score = (maps.reshape(4, -1) @ dense.kernel + dense.bias)[torch.arange(4), target].sum()
    (slopes,) = torch.autograd.grad(score, maps)
    heat = (slopes.mean((1, 2), keepdim=True) * maps).sum(-1).relu()
    expected = nn.functional.interpolate(heat[:, None], (9, 7), mode="bilinear")[:, 0].detach().numpy()
    found = grad_cam(net, x, target.numpy(), "second")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found.shape == (4, 9, 7)
    assert found.min() >= 0


def test_grad_cam_of_a_torch_net_is_that_of_the_same_net_here(rng):
    net, x = classifier("linear"), images(rng)
    other = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Tanh())
    with torch.no_grad():
        for layer, conv in zip(net.layers[:2], (other[0], other[2]), strict=True):
            conv.weight.copy_(layer.kernel.permute(3, 2, 0, 1))
            conv.bias.copy_(layer.bias)
    dense = net.layers[-1]

    class Head(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1) @ dense.kernel + dense.bias

    whole = nn.Sequential(other, Head())
    found = grad_cam(whole, x.transpose(0, 3, 1, 2), 1, other[3])
    np.testing.assert_allclose(found, grad_cam(net, x, 1, "second"), rtol=1e-3, atol=1e-5)


def test_the_layer_of_grad_cam_is_the_last_that_gives_images(rng):
    net, x = classifier(), images(rng)
    np.testing.assert_array_equal(grad_cam(net, x, 0), grad_cam(net, x, 0, "dropout"))


def test_the_output_of_a_layer_is_that_of_the_part_of_the_net_before_it(rng):
    net, x = classifier(), images(rng)
    expected = torch.relu(net.layers[0].convolve(torch.from_numpy(x))).detach().numpy()
    np.testing.assert_allclose(layer_output(net, x, "first"), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer_output(net, x, net.layers[0]), layer_output(net, x, "first"))


# The net is left alone.


def test_the_net_is_as_before(rng):
    net, x = classifier(), images(rng, 70)
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for explain in (saliency, integrated_gradients, occlusion, grad_cam):
        explain(net, x[:5], 0)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(part.training for part in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_rows_are_explained_one_by_one_whatever_their_number(rng):
    net, x = classifier(), images(rng, 70)
    np.testing.assert_allclose(saliency(net, x)[65:], saliency(net, x[65:]), rtol=1e-4, atol=1e-6)


# Errors.


def test_what_cannot_be_explained_is_said(rng):
    net, x = classifier(), images(rng)
    with pytest.raises(HandsonError, match="target is the number of an output, 0 to 2"):
        saliency(net, x, 3)
    with pytest.raises(HandsonError, match="target is the number of an output"):
        saliency(net, x, [0, 1])
    with pytest.raises(HandsonError, match="Did you mean 'second'"):
        grad_cam(net, x, 0, "secnd")
    with pytest.raises(HandsonError, match="gives no images"):
        grad_cam(net, x, 0, "dense")
    with pytest.raises(HandsonError, match="for images"):
        grad_cam(net, x[0])
    with pytest.raises(HandsonError, match="no layer of this net gives images"):
        grad_cam(Sequential([layers.Flatten(input_shape=(9, 7, 2)), layers.Dense(1)]), x)
    with pytest.raises(HandsonError, match="rows of numbers"):
        saliency(net, np.array([["a"]]))
    with pytest.raises(HandsonError, match="no layer 'x'"):
        attributions.find_layer(net, "x")


def test_several_inputs_are_refused(rng):
    a, b = layers.Input((2,)), layers.Input((3,))
    net = Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    with pytest.raises(HandsonError, match="this one has several"):
        saliency(net, [np.ones((4, 2)), np.ones((4, 3))])


def test_ids_have_no_slopes(rng):
    net, ids = (
        Sequential([layers.Embedding(10, 4), layers.GRU(3), layers.Dense(2)], seed=0),
        rng.integers(0, 10, (4, 6)),
    )
    net.build((None, 6))
    with pytest.raises(HandsonError, match="Use occlusion"):
        saliency(net, ids)
    net.trainable = False
    with pytest.raises(HandsonError, match="Use occlusion"):
        saliency(net, ids)
    assert occlusion(net, ids, value=0).shape == (4, 6)


def test_wrong_arguments_are_said(rng):
    net, x = Sequential([layers.Dense(3, input_dim=2)], seed=0), rng.normal(size=(4, 2))
    for target in ("a", 1.0, [[0, 1], [1, 0], [0, 0], [1, 1]]):
        with pytest.raises(HandsonError, match="target is the number of an output"):
            saliency(net, x, target)
    with pytest.raises(HandsonError, match=r"baseline is a number, or has the shape of one row, \(2,\); got \(3,\)"):
        attributions.integrated_gradients(net, x, baseline=np.zeros(3))
    with pytest.raises(HandsonError, match=r"value is a number, or has the shape of one row"):
        occlusion(net, x, value=np.zeros(1))
    with pytest.raises(HandsonError, match="the net has no layer"):
        attributions.layer_output(net, x, layers.Dense(3))


def test_the_output_of_several_is_chosen(rng):
    entry, x = layers.Input((3,)), rng.normal(size=(4, 3))
    outputs = [layers.Dense(2, name="small")(entry), layers.Dense(4, name="large")(entry)]
    net = Model(entry, outputs, seed=0)
    expected = np.tile(net.layers[-1].get_weights()[0][:, 3], (4, 1))
    np.testing.assert_allclose(saliency(Model(entry, outputs[1]), x, 3), expected, rtol=1e-6)
    for output in (1, "large"):
        np.testing.assert_allclose(saliency(net, x, 3, output=output), expected, rtol=1e-6)
        assert len(plots.plot_saliency(net, x, 3, output=output).axes) == 1
    said = "the net has 2 outputs. Say which is explained.* 0 to 1, or its name: 'small', 'large'; got"
    for output in (None, 2, "larg"):
        with pytest.raises(HandsonError, match=said):
            attributions.integrated_gradients(net, x, 3, output=output)
    assert attributions.layer_output(net, x, "large").shape == (4, 4)
