"""Programs in the manner of the classic tutorials, written anew: logistic regression and a multilayer perceptron."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import handson.theano.tensor as T
from handson import HandsonError, theano
from handson.theano.tensor.shared_randomstreams import RandomStreams


def iris():
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return scale(x)[order].astype("float32"), y[order].astype("int32")


class LogisticRegression:
    def __init__(self, input, n_in, n_out):
        floats = theano.config.floatX
        self.W = theano.shared(value=np.zeros((n_in, n_out), dtype=floats), name="W", borrow=True)
        self.b = theano.shared(value=np.zeros((n_out,), dtype=floats), name="b", borrow=True)
        self.p_y_given_x = T.nnet.softmax(T.dot(input, self.W) + self.b)
        self.y_pred = T.argmax(self.p_y_given_x, axis=1)
        self.params = [self.W, self.b]

    def negative_log_likelihood(self, y):
        return -T.mean(T.log(self.p_y_given_x)[T.arange(y.shape[0]), y])

    def errors(self, y):
        return T.mean(T.neq(self.y_pred, y))


class HiddenLayer:
    def __init__(self, rng, input, n_in, n_out, activation=T.tanh):
        bound = np.sqrt(6.0 / (n_in + n_out))
        values = np.asarray(rng.uniform(low=-bound, high=bound, size=(n_in, n_out)), dtype=theano.config.floatX)
        self.W = theano.shared(value=values, name="W", borrow=True)
        self.b = theano.shared(value=np.zeros((n_out,), dtype=theano.config.floatX), name="b", borrow=True)
        self.output = activation(T.dot(input, self.W) + self.b)
        self.params = [self.W, self.b]


def trained(build, rate, epochs):
    """Errors after a descent on batches of shared data, picked by an index."""
    data_x, data_y = iris()
    shared_x = theano.shared(np.asarray(data_x, dtype=theano.config.floatX), borrow=True)
    shared_y = T.cast(theano.shared(np.asarray(data_y, dtype=theano.config.floatX), borrow=True), "int32")
    index, x, y = T.lscalar(), T.matrix("x"), T.ivector("y")
    cost, params, errors = build(x, y)
    gradients = [T.grad(cost, param) for param in params]
    size = 30
    train = theano.function(
        inputs=[index],
        outputs=cost,
        updates=[(param, param - rate * gradient) for param, gradient in zip(params, gradients, strict=True)],
        givens={x: shared_x[index * size : (index + 1) * size], y: shared_y[index * size : (index + 1) * size]},
    )
    test = theano.function([], errors, givens={x: shared_x, y: shared_y})
    costs = [float(train(batch)) for _ in range(epochs) for batch in range(len(data_x) // size)]
    return costs, float(test())


def test_logistic_regression():
    def build(x, y):
        classifier = LogisticRegression(x, 4, 3)
        return classifier.negative_log_likelihood(y), classifier.params, classifier.errors(y)

    costs, errors = trained(build, 0.5, 20)
    assert abs(costs[0] - np.log(3)) < 1e-5
    assert errors < 0.06


def test_multilayer_perceptron():
    def build(x, y):
        hidden = HiddenLayer(np.random.RandomState(1234), x, 4, 10)
        classifier = LogisticRegression(hidden.output, 10, 3)
        squares = (hidden.W**2).sum() + (classifier.W**2).sum()
        cost = classifier.negative_log_likelihood(y) + 0.0001 * squares
        return cost, hidden.params + classifier.params, classifier.errors(y)

    costs, errors = trained(build, 0.3, 30)
    assert costs[-1] < 0.3
    assert errors < 0.05


def test_logistic_regression_as_it_is_written_in_the_tutorial_stays_finite():
    """1 / (1 + exp(-z)), and logarithms of it and of 1 less it, for rows with logits of up to a hundred."""
    rng = np.random.RandomState(0)
    rows, labels = rng.randn(40, 784), rng.randint(0, 2, 40)
    x, y = T.dmatrix("x"), T.dvector("y")
    w, b = theano.shared(rng.randn(784), name="w"), theano.shared(0.0, name="b")
    p_1 = 1 / (1 + T.exp(-T.dot(x, w) - b))
    xent = -y * T.log(p_1) - (1 - y) * T.log(1 - p_1)
    cost = xent.mean() + 0.01 * (w**2).sum()
    gw, gb = T.grad(cost, [w, b])
    train = theano.function([x, y], [p_1 > 0.5, xent], updates=((w, w - 0.1 * gw), (b, b - 0.1 * gb)))
    logits = rows @ w.get_value()
    found = train(rows, labels)[1]
    np.testing.assert_allclose(found, np.logaddexp(0, np.where(labels, -logits, logits)), rtol=1e-9)
    assert abs(logits).max() > 40
    for _ in range(300):
        prediction, _ = train(rows, labels)
    np.testing.assert_array_equal(prediction, labels)


def test_a_function_is_copied_with_another_state():
    state, other, inc = theano.shared(0), theano.shared(7), T.iscalar("inc")
    accumulate = theano.function([inc], state, updates=[(state, state + inc)])
    assert accumulate.copy(swap={state: other})(100) == 7
    assert (int(state.get_value()), int(other.get_value())) == (0, 107)
    assert accumulate.copy(delete_updates=True)(5) == 0
    assert state.get_value() == 0


def test_random_numbers_without_default_updates_repeat():
    drawn = RandomStreams(seed=234).normal((2, 2))
    same, anew = theano.function([], drawn, no_default_updates=True), theano.function([], drawn)
    np.testing.assert_array_equal(same(), same())
    assert not np.array_equal(anew(), anew())
    with pytest.raises(HandsonError, match="no_default_updates is True or False"):
        theano.function([], drawn, no_default_updates=[drawn])


def test_multinomial_counts_its_draws():
    chances = np.array([[0.2, 0.8, 0.0], [0.5, 0.25, 0.25]])
    drawn = theano.function([], RandomStreams(1).multinomial(n=20000, pvals=T.constant(chances)))()
    np.testing.assert_allclose(drawn / 20000, chances, atol=0.02)
    assert drawn.sum(1).tolist() == [20000, 20000]


def test_matrices_against_numpy():
    a = np.array([[4.0, 1.0], [1.0, 3.0]])
    x, b = T.dmatrix(), T.dvector()
    nl, sl = T.nlinalg, T.slinalg
    values = theano.function([x, b], [
        nl.pinv(x), nl.matrix_dot(x, x, x), nl.matrix_power(x, 3), nl.eigh(x)[0], nl.svd(x)[1], sl.solve(x, b),
        sl.solve_lower_triangular(sl.cholesky(x), b), T.batched_tensordot(x[None], x[None], [[2], [1]])[0],
        T.diagonal(x), T.nonzero_values(x), sl.kron(x, x), T.allclose(x, x),
    ])(a, [1.0, 2.0])  # fmt: skip
    expected = [
        np.linalg.inv(a), a @ a @ a, a @ a @ a, np.linalg.eigvalsh(a), np.linalg.svd(a)[1],
        np.linalg.solve(a, [1, 2]), np.linalg.solve(np.linalg.cholesky(a), [1, 2]), a @ a, [4, 3], [4, 1, 1, 3],
        np.kron(a, a), True,
    ]  # fmt: skip
    for found, wanted in zip(values, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
