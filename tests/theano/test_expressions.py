"""Expressions give what NumPy gives, and gradients what the closed forms say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handson.theano.tensor as T
from handson import HandsonError, theano

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)).astype("float32"), RNG.normal(size=(3, 4)).astype("float32")
a, b = T.matrix("a"), T.matrix("b")
LABELS = T.ivector("labels")

AS_IN_NUMPY = {
    "arithmetic": (a * 2 + b / 3 - 1, A * 2 + B / 3 - 1),
    "reflected": (1 - a, 1 - A),
    "power": (abs(a) ** 0.5, np.abs(A) ** 0.5),
    "numpy scalar in front": (np.float32(2) * a, 2 * A),
    "array beside": (a + B, A + B),
    "maximum": (T.maximum(a, 0.1), np.maximum(A, 0.1)),
    "switch": (T.switch(a > b, a, b), np.maximum(A, B)),
    "clip": (T.clip(a, -0.5, 0.5), A.clip(-0.5, 0.5)),
    "sum": (a.sum(axis=1, keepdims=True), A.sum(1, keepdims=True)),
    "mean of truth values": (T.mean(T.gt(a, b)), (A > B).mean()),
    "variance": (a.var(axis=(0, 1)), A.var()),
    "argmax": (a.argmax(axis=1), A.argmax(1)),
    "product": (T.prod(a, axis=0), A.prod(0)),
    "dot": (T.dot(a, b.T), A @ B.T),
    "tensordot": (T.tensordot(a, b, axes=[[0], [0]]), np.tensordot(A, B, axes=[[0], [0]])),
    "dimshuffle": (a.dimshuffle(1, "x", 0), A.T[:, None]),
    "flatten": (a.flatten(), A.ravel()),
    "reshape": (a.reshape((a.shape[1], -1)), A.reshape(4, -1)),
    "backwards": (a[:, ::-1], A[:, ::-1]),
    "two arrays of places": (a[T.arange(a.shape[0]), T.constant(np.array([0, 1, 3]))], A[np.arange(3), [0, 1, 3]]),
    "concatenate": (T.concatenate([a, b], axis=1), np.concatenate([A, B], 1)),
    "stack": (T.stack([a, b], axis=1), np.stack([A, B], 1)),
    "repeat": (T.repeat(a, 2, axis=0), A.repeat(2, 0)),
    "tile": (T.tile(a, (2, 1)), np.tile(A, (2, 1))),
    "set_subtensor": (T.set_subtensor(a[0], 7), np.concatenate([np.full((1, 4), 7), A[1:]])),
    "cumsum": (T.cumsum(a, axis=1), A.cumsum(1)),
    "eye": (T.eye(3, 4), np.eye(3, 4)),
    "outer": (T.outer(a[0], b[0]), np.outer(A[0], B[0])),
    "norm": (a.norm(2, axis=1), np.linalg.norm(A, axis=1)),
    "round": (T.round(a * 0 + 2.5), np.full((3, 4), 3.0)),
}


@pytest.mark.parametrize("name", AS_IN_NUMPY)
def test_as_numpy(name):
    expression, expected = AS_IN_NUMPY[name]
    found = theano.function([a, b], expression, on_unused_input="ignore")(A, B)
    assert found.ndim == expression.ndim
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_places_named_twice_add_up():
    x = T.vector()
    found = T.inc_subtensor(x[T.constant(np.array([0, 0, 2]))], 1.0).eval({x: [0, 0, 0]})
    np.testing.assert_array_equal(found, [2, 0, 1])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=5))
def test_gradients_are_the_closed_forms(values):
    x = T.vector("x")
    cost = T.sum(T.exp(x) + x**3)
    first = T.grad(cost, x)
    second = T.grad(first.sum(), x)
    found = theano.function([x], [first, second])(values)
    v = np.array(values, "float32")
    np.testing.assert_allclose(found[0], np.exp(v) + 3 * v**2, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1], np.exp(v) + 6 * v, rtol=1e-4, atol=1e-4)


def test_gradient_by_an_expression_in_between():
    x = T.vector()
    middle = x**2
    assert theano.function([x], T.grad(T.sum(middle * 3), middle))([1, 2]).tolist() == [3, 3]


def test_jacobian_and_hessian():
    x = T.vector()
    np.testing.assert_allclose(T.jacobian(x**2, x).eval({x: [1, 3]}), np.diag([2, 6]))
    np.testing.assert_allclose(T.hessian(T.sum(x**3), x).eval({x: [1, 3]}), np.diag([6, 18]))


def test_no_gradient_flows_through_a_constant():
    x = T.scalar()
    cost = x * theano.gradient.disconnected_grad(x)
    assert float(T.grad(cost, x).eval({x: 3.0})) == 3
    clipped = theano.gradient.grad_clip(x, -1, 1)
    assert float(T.grad(5 * clipped, x).eval({x: 3.0})) == 1


def test_a_cost_that_does_not_depend_is_refused():
    x, y = T.scalar(), T.scalar()
    with pytest.raises(HandsonError, match="disconnected_inputs='ignore'"):
        theano.function([x, y], T.grad(x * 2, [x, y]), on_unused_input="ignore")(1, 1)
    found = theano.function([x, y], T.grad(x * 2 + 0 * y.sum(), [x, y]))(1, 1)
    assert [float(one) for one in found] == [2, 0]


def test_probabilities_that_are_rounded_to_zero_have_a_logarithm():
    x, y = T.matrix(), T.ivector()
    likelihood = -T.mean(T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y])
    assert float(likelihood.eval({x: [[0.0, 500.0]], y: [0]})) == 500
    assert float(T.nnet.categorical_crossentropy(T.nnet.softmax(x), y).eval({x: [[0.0, 500.0]], y: [0]})[0]) == 500


def test_updates_see_the_values_before():
    one, two = theano.shared(1.0), theano.shared(2.0)
    theano.function([], updates={one: two, two: one})()
    assert (float(one.get_value()), float(two.get_value())) == (2, 1)


def test_givens_and_slices_of_shared_data():
    data, index, x = theano.shared(np.arange(10.0)), T.lscalar(), T.vector(dtype="float64")
    batch = theano.function([index], x.sum(), givens={x: data[index * 2 : (index + 1) * 2]})
    assert [float(batch(i)) for i in range(3)] == [1, 5, 9]


def test_values_are_copies():
    held = theano.shared(np.zeros(2))
    held.get_value()[0] = 5
    array = np.zeros(2)
    held.set_value(array)
    array[0] = 3
    assert held.get_value().tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: theano.function([x], T.scalar("other")), "not among the inputs"),
        (lambda x: theano.function([x, T.scalar()], x * 2), "nothing depends on"),
        (lambda x: theano.function([x], x * 2)(np.zeros((2, 2))), "has 1 axes"),
        (lambda x: theano.function([x], x, updatess=1), "Did you mean 'updates'"),
        (lambda x: bool(x > 0), "no value yet"),
        (lambda x: theano.grad(x, x), "T.mean"),
        (lambda x: x.dimshuffle(3), "names axes"),
        (lambda x: theano.shared(np.zeros(2)).set_value(0.0), "has 1 axes"),
        (lambda x: theano.function([], updates=[(x, x)]), "shared variables"),
        (lambda x: theano.function([LABELS], LABELS + 1)([0.5]), "takes whole numbers"),
        (lambda x: setattr(theano.config, "device", "gpu"), "cannot be set"),
    ],
)
def test_refused(call, said):
    with pytest.raises(HandsonError, match=said.replace("(", r"\(")):
        call(T.vector("x"))


def test_names_that_are_not_there_say_what_to_use():
    with pytest.raises(AttributeError, match="concatenate"):
        T.concatenat  # noqa: B018
    with pytest.raises(AttributeError, match="a Python function of variables"):
        theano.OpFromGraph  # noqa: B018


def test_random_variables_are_drawn_anew_and_follow_the_seed():
    def numbers(seed):
        source = T.shared_randomstreams.RandomStreams(seed)
        draw = theano.function([], source.normal((200,), avg=5.0, std=2.0))
        return draw(), draw()

    (first, second), (again, _) = numbers(3), numbers(3)
    assert (first != second).all()
    np.testing.assert_array_equal(first, again)
    assert abs(first.mean() - 5) < 0.6
    assert abs(first.std() - 2) < 0.5


def test_a_shape_can_be_taken_apart():
    rows, columns = a.shape
    found = theano.function([a], [rows * columns, T.zeros((columns, rows))])(A)
    assert int(found[0]) == 12
    assert found[1].shape == (4, 3)
