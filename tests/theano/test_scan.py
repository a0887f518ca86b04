"""Loops of `theano.scan` against loops of NumPy."""

import numpy as np
import pytest

import handson.theano.tensor as T
from handson import HandsonError, theano


def test_powers_by_a_number_of_steps():
    k, x = T.iscalar(), T.vector()
    found, updates = theano.scan(lambda before, x: before * x, outputs_info=T.ones_like(x), non_sequences=x, n_steps=k)
    power = theano.function([x, k], found[-1], updates=updates)
    np.testing.assert_allclose(power([1, 2, 3], 4), [1, 16, 81])


def test_taps_of_sequences_and_outputs():
    x, first = T.vector(), T.vector()
    found, _ = theano.scan(
        lambda later, now, two, one: later - now + two + one,
        sequences={"input": x, "taps": [1, 0]},
        outputs_info={"initial": first, "taps": [-2, -1]},
    )
    values, out = np.array([1.0, 4.0, 2.0, 8.0]), [1.0, 1.0]
    for step in range(3):
        out.append(values[step + 1] - values[step] + out[-2] + out[-1])
    np.testing.assert_allclose(theano.function([x, first], found)(values, [1, 1]), out[2:])


def test_gradient_through_time():
    x, h0, w = T.vector(), T.scalar(), theano.shared(np.float32(0.5))
    h, _ = theano.scan(lambda x, h: T.tanh(w * h + x), sequences=x, outputs_info=h0)
    slope = theano.function([x, h0], T.grad(h[-1], w))

    def last(weight):
        state = 0.3
        for value in (0.1, -0.4, 0.2):
            state = np.tanh(weight * state + value)
        return state

    numeric = (last(0.5 + 1e-5) - last(0.5 - 1e-5)) / 2e-5
    assert abs(float(slope([0.1, -0.4, 0.2], 0.3)) - numeric) < 1e-5


def test_backwards_several_outputs_and_no_state():
    x = T.vector()
    (doubled, sums), _ = theano.scan(
        lambda x, total: (2 * x, total + x), sequences=x, outputs_info=[None, T.constant(0.0)], go_backwards=True
    )
    found = theano.function([x], [doubled, sums])([1, 2, 3])
    assert [one.tolist() for one in found] == [[6, 4, 2], [3, 5, 6]]


def test_shared_variables_change_at_every_step():
    count = theano.shared(0)
    _, updates = theano.scan(lambda: {count: count + 1}, n_steps=5)
    run = theano.function([], [], updates=updates)
    run(), run()
    assert int(count.get_value()) == 10


def test_until():
    x = T.scalar()
    found, _ = theano.scan(
        lambda before, most: (before * 2, theano.scanning.until(before * 2 > most)),
        outputs_info=T.constant(1.0), non_sequences=x, n_steps=1024,
    )  # fmt: skip
    assert theano.function([x], found)(45).tolist() == [2, 4, 8, 16, 32, 64]


def test_truncated_gradients_are_refused():
    with pytest.raises(HandsonError, match="disconnected_grad"):
        theano.scan(lambda x: x, sequences=T.vector(), truncate_gradient=4)


def test_derivatives_by_a_loop_as_in_the_tutorial():
    x = T.dvector("x")
    y = x**2
    rows, updates = theano.scan(
        lambda i, y, x: T.grad(y[i], x), sequences=T.arange(y.shape[0]), non_sequences=[y, x]
    )  # fmt: skip
    np.testing.assert_array_equal(theano.function([x], rows, updates=updates)([4, 5]), np.diag([8, 10]))
    slope = T.grad((x**3).sum(), x)
    rows, _ = theano.scan(lambda i, slope, x: T.grad(slope[i], x), T.arange(x.shape[0]), non_sequences=[slope, x])
    np.testing.assert_array_equal(theano.function([x], rows)([1, 2]), np.diag([6, 12]))
    np.testing.assert_array_equal(theano.function([x], T.grad(rows.sum(), x))([1, 2]), [6, 6])


def test_a_gradient_flows_through_steps_that_take_gradients():
    """Three steps of gradient descent on w^2: w (1 - 2 rate)^3."""
    w, rate = T.dscalars("w", "rate")
    steps, _ = theano.scan(lambda w, rate: w - rate * T.grad(w**2, w), outputs_info=w, non_sequences=rate, n_steps=3)
    last = steps[-1]
    found = theano.function([w, rate], [last, T.grad(last, w), T.grad(last, rate)])(2.0, 0.1)
    np.testing.assert_allclose(found, [2 * 0.8**3, 0.8**3, 2 * 3 * 0.8**2 * -2])


def test_maps_and_folds():
    x = T.vector()
    doubled, _ = theano.map(lambda x: 2 * x, x)
    total, _ = theano.reduce(lambda x, total: total + x, x, T.constant(0.0))
    left, _ = theano.foldl(lambda x, before: 2 * before + x, x, T.constant(0.0))
    right, _ = theano.foldr(lambda x, before: 2 * before + x, x, T.constant(0.0))
    found = theano.function([x], [doubled, total, left, right])([1, 2, 3])
    assert [np.asarray(one).tolist() for one in found] == [[2, 4, 6], 6, 11, 17]


def test_products_with_the_jacobian():
    x, u, v = T.dvectors("xuv")
    weights = np.random.default_rng(0).normal(size=(3, 2))
    y = T.tanh(T.dot(x, weights))
    left, right = theano.function([x, u, v], [T.Lop(y, x, u), T.Rop(y, x, v)])([1, 2, 3], [1, -1], [0.5, 1, 2])
    jacobian = (weights * (1 - np.tanh(np.array([1, 2, 3]) @ weights) ** 2)).T
    np.testing.assert_allclose(left, [1, -1] @ jacobian)
    np.testing.assert_allclose(right, jacobian @ [0.5, 1, 2])
