"""Functions that were recorded give the numbers of those that run node by node, whatever decides what is computed."""

import numpy as np
import pytest
import torch

import handson.theano.tensor as T
from handson import theano
from handson.lasagne import layers, objectives, updates
from handson.lasagne.random import set_rng
from handson.theano import traced
from handson.theano.ifelse import ifelse
from handson.theano.tensor.shared_randomstreams import RandomStreams

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(traced, "PATIENCE", 2)


def programs(function):
    """What a function has recorded and proved."""
    found = function._plan._traced
    return [] if found is None else [one for one in found._programs.values() if one is not None]


def both_ways(build, calls, monkeypatch, recorded=True):
    """Calls of a function that may be recorded, beside those of one that may not."""
    function = build()
    found = [np.array(function(*call)) for call in calls]
    assert bool(programs(function)) == recorded
    with monkeypatch.context() as patch:
        patch.setattr(traced, "PATIENCE", 10**9)
        plain = build()
        for one, call in zip(found, calls, strict=True):
            np.testing.assert_allclose(one, plain(*call), rtol=1e-6, atol=1e-7)
        assert not programs(plain)


def descent(cost, weights, rate=0.5):
    return [(weight, weight - rate * slope) for weight, slope in zip(weights, T.grad(cost, weights), strict=True)]


def logistic(x, y):
    weights = [theano.shared(np.zeros((4, 2), "float32")), theano.shared(np.zeros(2, "float32"))]
    p = T.nnet.softmax(T.dot(x, weights[0]) + weights[1])
    return -T.mean(T.log(p)[T.arange(y.shape[0]), y]), weights


def test_a_descent(monkeypatch):
    def build():
        x, y = T.matrix(), T.ivector()
        cost, weights = logistic(x, y)
        return theano.function([x, y], cost, updates=descent(cost, weights))

    both_ways(build, [(X, Y)] * 9, monkeypatch)


def test_slices_whose_bounds_are_values(monkeypatch):
    data, labels = theano.shared(X), theano.shared(Y)

    def build():
        at, x, y = T.lscalar(), T.matrix(), T.ivector()
        cost, weights = logistic(x, y)
        givens = {x: data[at * 6 : (at + 1) * 6], y: labels[at * 6 : (at + 1) * 6]}
        return theano.function([at], cost, updates=descent(cost, weights), givens=givens)

    both_ways(build, [(at % 4,) for at in range(24)], monkeypatch)


def test_several_shapes_and_layouts(monkeypatch):
    def build():
        x, y = T.matrix(), T.ivector()
        cost, weights = logistic(x, y)
        return theano.function([x, y], cost, updates=descent(cost, weights))

    batches = [(X[:6], Y[:6]), (X[:7], Y[:7]), (np.asfortranarray(X[:6]), Y[:6])] * 6
    both_ways(build, batches, monkeypatch)


def test_random_numbers_are_drawn_anew(monkeypatch):
    def build():
        x, y = T.matrix(), T.ivector()
        noise = RandomStreams(3).binomial(x.shape, p=0.5, dtype="float32")
        cost, weights = logistic(x * noise, y)
        return theano.function([x, y], [cost, noise.sum()], updates=descent(cost, weights))

    both_ways(build, [(X, Y)] * 9, monkeypatch)


def test_random_numbers_behind_weights_are_not_recorded(monkeypatch):
    def build():
        x, weight = T.matrix(), theano.shared(np.ones(4, "float32"))
        scaled = x * weight
        cost = (scaled * RandomStreams(3).normal(scaled.shape, avg=weight.sum())).sum()
        return theano.function([x], cost, updates=descent(cost, [weight], 0.01))

    both_ways(build, [(X,)] * 9, monkeypatch, recorded=False)


def test_values_that_decide(monkeypatch):
    """The branch is taken first; what is left is recorded."""

    def build():
        x, weight = T.matrix(), theano.shared(np.ones(4, "float32"))
        total = T.dot(x, weight).sum()
        found = ifelse(total > 0, total * 2, total - 1)
        return theano.function([x], found, updates=[(weight, -weight)])

    both_ways(build, [(X,)] * 9, monkeypatch)


def test_lasagne_with_and_without_dropout(monkeypatch):
    def build(p):

        set_rng(np.random.RandomState(1))
        x, y = T.matrix(), T.ivector()
        net = layers.DropoutLayer(layers.DenseLayer(layers.InputLayer((None, 4), x), 5), p=p)
        net = layers.DenseLayer(net, 2, nonlinearity=theano.tensor.nnet.softmax)
        cost = objectives.categorical_crossentropy(layers.get_output(net), y).mean()
        weights = layers.get_all_params(net, trainable=True)
        return theano.function([x, y], cost, updates=updates.nesterov_momentum(cost, weights, 0.1, 0.9))

    both_ways(lambda: build(0.0), [(X, Y)] * 9, monkeypatch)
    both_ways(lambda: build(0.5), [(X, Y)] * 9, monkeypatch, recorded=False)


def test_second_derivatives(monkeypatch):
    def build():
        x = T.vector()
        return theano.function([x], T.grad((T.grad((x**3).sum(), x) ** 2).sum(), x))

    both_ways(build, [(X[0] + step,) for step in range(9)], monkeypatch)


def test_what_is_returned_can_be_changed():
    x = T.vector()
    held = theano.shared(np.zeros(3, "float32"))
    function = theano.function([x], T.ones_like(x), updates=[(held, T.zeros_like(x))])
    for _ in range(6):
        found = function([1, 2, 3])
        assert found.tolist() == [1, 1, 1]
        assert held.get_value().tolist() == [0, 0, 0]
        found += 1
        held.cell.value.add_(1)
    assert programs(function)


def test_what_does_not_agree_is_not_used(monkeypatch):
    """A function of one's own that keeps something from call to call."""
    x, calls = T.vector(), []

    def counted(value):
        calls.append(0)
        return value + len(calls)

    counted.__module__ = "handson.made_here"
    function = theano.function([x], theano.variable.apply(counted, x, ndim=1, dtype="float32"))
    found = [float(function([0.0])[0]) for _ in range(6)]
    assert not programs(function)
    assert found == sorted(set(found))


def test_functions_of_users_are_not_recorded():
    def own(value):
        return value + torch.rand(())

    assert not traced.is_traceable(own)
    assert traced.is_traceable(torch.exp)
    assert not traced.is_traceable(object())


def test_only_some_kinds_of_arguments_are_recorded(monkeypatch):
    monkeypatch.setattr(traced, "PATIENCE", 1)
    monkeypatch.setattr(traced, "MOST_KINDS", 2)
    function = traced.Traced(lambda x: [x + 1])
    for size in range(1, 7):
        for _ in range(3):
            assert function([torch.zeros(size)])[0].tolist() == [1.0] * size
    assert sum(program is not None for program in function._programs.values()) == 2
