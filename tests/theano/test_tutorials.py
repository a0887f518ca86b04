"""Programs in the manner of the classic tutorials, written anew: logistic regression and a multilayer perceptron."""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import handson.theano.tensor as T
from handson import theano


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
