"""Update rules against handson's optimizers and closed forms; Lasagne's example of a training loop."""

import numpy as np
import pytest
import torch

import handson.theano.tensor as T
from handson import lasagne, optimizers, theano
from handson.lasagne import layers as L

RNG = np.random.default_rng(0)
START = RNG.normal(size=4)

RULES = {
    "sgd": ({"learning_rate": 0.1}, torch.optim.SGD, {"lr": 0.1}),
    "nesterov_momentum": ({"learning_rate": 0.1, "momentum": 0.8}, optimizers.SGD, {"momentum": 0.8, "nesterov": True}),
    "momentum": ({"learning_rate": 0.1, "momentum": 0.8}, optimizers.SGD, {"momentum": 0.8}),
    "adam": ({"learning_rate": 0.1}, torch.optim.Adam, {"lr": 0.1}),
    "amsgrad": ({"learning_rate": 0.1}, None, {}),
    "adamax": ({"learning_rate": 0.1}, torch.optim.Adamax, {"lr": 0.1}),
    "adadelta": ({"learning_rate": 0.9}, torch.optim.Adadelta, {"lr": 0.9, "rho": 0.95, "eps": 1e-6}),
    "rmsprop": ({"learning_rate": 0.1}, None, {}),
    "adagrad": ({"learning_rate": 0.1}, None, {}),
}


def by_lasagne(rule, settings, steps=5):
    w = theano.shared(START)
    cost = T.sum(w**2 * np.arange(1, 5))
    step = theano.function([], cost, updates=getattr(lasagne.updates, rule)(cost, [w], **settings))
    for _ in range(steps):
        step()
    return w.get_value()


def by_formula(rule, steps=5):
    w, seen, mean, most = START.copy(), 0.0, 0.0, 0.0
    for t in range(1, steps + 1):
        g = 2 * w * np.arange(1, 5)
        if rule == "adagrad":
            seen = seen + g**2
            w = w - 0.1 * g / np.sqrt(seen + 1e-6)
        elif rule == "rmsprop":
            seen = 0.9 * seen + 0.1 * g**2
            w = w - 0.1 * g / np.sqrt(seen + 1e-6)
        else:
            mean, seen = 0.9 * mean + 0.1 * g, 0.999 * seen + 0.001 * g**2
            most = np.maximum(most, seen)
            w = w - 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * mean / (np.sqrt(most) + 1e-8)
    return w


@pytest.mark.parametrize("rule", RULES)
def test_update_rules(rule):
    settings, peer, peer_settings = RULES[rule]
    found = by_lasagne(rule, settings)
    if peer is None:
        return np.testing.assert_allclose(found, by_formula(rule), rtol=2e-4)
    w = torch.tensor(START, requires_grad=True)
    if peer is optimizers.SGD:
        optimizer = peer(0.1, **peer_settings)
        for _ in range(5):
            optimizer.apply([2 * w.detach() * torch.arange(1, 5)], [w])
    else:
        optimizer = peer([w], **peer_settings)
        for _ in range(5):
            optimizer.zero_grad()
            (w**2 * torch.arange(1, 5)).sum().backward()
            optimizer.step()
    np.testing.assert_allclose(found, w.detach().numpy(), rtol=1e-4)


def test_norm_constraints():
    w = theano.shared(RNG.normal(size=(3, 4)) * 9)
    norms = np.linalg.norm(lasagne.updates.norm_constraint(w, 1.5).eval(), axis=0)
    np.testing.assert_allclose(norms, 1.5, rtol=1e-5)
    scaled, norm = lasagne.updates.total_norm_constraint([w, w], 2.0, return_norm=True)
    np.testing.assert_allclose(float(norm.eval()), np.sqrt(2) * np.linalg.norm(w.get_value()), rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(sum((one.eval() ** 2).sum() for one in scaled)), 2.0, rtol=1e-5)


def test_penalties_count_weights_and_not_biases():
    net = L.DenseLayer(L.DenseLayer(L.InputLayer((None, 3)), 4, b=lasagne.init.Constant(9)), 2)
    found = lasagne.regularization.regularize_network_params(net, lasagne.regularization.l2)
    weights = L.get_all_param_values(net, regularizable=True)
    np.testing.assert_allclose(float(found.eval()), sum((w**2).sum() for w in weights), rtol=1e-5)
    one = lasagne.regularization.regularize_layer_params_weighted({net: 0.5}, lasagne.regularization.l1)
    np.testing.assert_allclose(float(one.eval()), 0.5 * abs(net.W.get_value()).sum(), rtol=1e-5)


def test_objectives():
    p, y = np.array([[0.2, 0.8], [0.6, 0.4]], "float32"), np.array([1, 1], "int32")
    P, Y = T.matrix(), T.ivector()
    both = {P: p, Y: y}
    np.testing.assert_allclose(lasagne.objectives.categorical_crossentropy(P, Y).eval(both), -np.log([0.8, 0.4]), 1e-5)
    assert lasagne.objectives.categorical_accuracy(P, Y).eval(both).tolist() == [True, False]
    assert lasagne.objectives.categorical_accuracy(P, Y, top_k=2).eval(both).all()
    np.testing.assert_allclose(lasagne.objectives.multiclass_hinge_loss(P, Y).eval(both), [0.4, 1.2], 1e-5)
    w = lasagne.objectives.aggregate(P[:, 0], P[:, 1], "normalized_sum").eval({P: p})
    np.testing.assert_allclose(w, (0.2 * 0.8 + 0.6 * 0.4) / 1.2, 1e-5)


def batches(inputs, targets, size, rng):
    order = rng.permutation(len(inputs))
    for start in range(0, len(inputs) - size + 1, size):
        rows = order[start : start + size]
        yield inputs[rows], targets[rows]


def test_a_custom_training_loop():
    """The program that Lasagne's users begin with: a net with dropout, a loop of their own, a test function."""
    lasagne.random.set_rng(np.random.RandomState(1))
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 120).astype("int32")
    images = rng.normal(size=(120, 1, 8, 8)).astype("float32") * 0.3
    images[np.arange(120), 0, labels * 2, :] += 1.0
    input_var, target_var = T.tensor4("inputs"), T.ivector("targets")
    net = L.InputLayer((None, 1, 8, 8), input_var)
    net = L.Conv2DLayer(net, num_filters=4, filter_size=(3, 3), W=lasagne.init.GlorotUniform())
    net = L.MaxPool2DLayer(net, pool_size=(2, 2))
    net = L.DenseLayer(L.dropout(net, p=0.2), num_units=16)
    net = L.DenseLayer(net, num_units=3, nonlinearity=lasagne.nonlinearities.softmax)
    loss = lasagne.objectives.categorical_crossentropy(L.get_output(net), target_var).mean()
    params = L.get_all_params(net, trainable=True)
    updates = lasagne.updates.nesterov_momentum(loss, params, learning_rate=0.05, momentum=0.9)
    test_prediction = L.get_output(net, deterministic=True)
    accuracy = T.mean(T.eq(T.argmax(test_prediction, axis=1), target_var), dtype=theano.config.floatX)
    train = theano.function([input_var, target_var], loss, updates=updates)
    test = theano.function([input_var, target_var], accuracy)
    losses = [float(train(*batch)) for _ in range(12) for batch in batches(images, labels, 30, rng)]
    assert losses[-1] < 0.3 * losses[0]
    assert float(test(images, labels)) > 0.95


def test_a_recurrent_net_of_ones_own_loop():
    """Sequences of several lengths, read from both ends: the marked numbers are to be added."""
    lasagne.random.set_rng(np.random.RandomState(1))
    rng = np.random.default_rng(0)

    def data(rows=40, most=8):
        lengths = rng.integers(most // 2, most + 1, rows)
        x, mask = np.zeros((rows, most, 2)), np.zeros((rows, most))
        x[..., 0] = rng.uniform(-0.4, 0.4, (rows, most))
        for row, length in enumerate(lengths):
            x[row, rng.integers(0, 2), 1] = x[row, length - 1, 1] = 1
            mask[row, :length] = 1
        return x, (x[..., 0] * x[..., 1]).sum(1), mask

    l_in, l_mask = L.InputLayer(shape=(40, 8, 2)), L.InputLayer(shape=(40, 8))
    ends = [
        L.RecurrentLayer(
            l_in, 16, mask_input=l_mask, grad_clipping=100, W_in_to_hid=lasagne.init.HeUniform(),
            W_hid_to_hid=lasagne.init.HeUniform(), nonlinearity=lasagne.nonlinearities.tanh, only_return_final=True,
            backwards=backwards,
        )
        for backwards in (False, True)
    ]  # fmt: skip
    l_out = L.DenseLayer(L.ConcatLayer(ends), num_units=1, nonlinearity=lasagne.nonlinearities.tanh)
    target_values = T.vector("target_output")
    cost = T.mean((L.get_output(l_out).flatten() - target_values) ** 2)
    updates = lasagne.updates.adagrad(cost, L.get_all_params(l_out), 0.05)
    train = theano.function([l_in.input_var, target_values, l_mask.input_var], cost, updates=updates)
    costs = [float(train(*data())) for _ in range(60)]
    assert np.mean(costs[-5:]) < 0.3 * costs[0]
