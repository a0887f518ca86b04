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
