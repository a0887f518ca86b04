"""One step of an LSTM, given the sums that go into its gates, and the way back.

Formulas and gates (input, forget, candidate, output) are those of `handson.layers.LSTM.loop`.
"""

from __future__ import annotations

from numpy import float32

from handson.kernels.elementary import divided, sigmoid_fraction, tanh, tanh_fraction
from handson.kernels.vectors import LANES, compiled, load, store

_ONE = float32(1)


@compiled
def step(gates, before, after, hidden):
    """From the sums in `gates` (rows, 4, width) and the cells `before` to gates, cells and states (rows, width)."""
    for i in range(gates.shape[0]):
        for j in range(0, gates.shape[2], LANES):
            entry, forget = divided(sigmoid_fraction(load(gates, (i, 0, j))), sigmoid_fraction(load(gates, (i, 1, j))))
            candidate, out = divided(tanh_fraction(load(gates, (i, 2, j))), sigmoid_fraction(load(gates, (i, 3, j))))
            state = forget * load(before, (i, j)) + entry * candidate
            store(gates, (i, 0, j), entry)
            store(gates, (i, 1, j), forget)
            store(gates, (i, 2, j), candidate)
            store(gates, (i, 3, j), out)
            store(after, (i, j), state)
            store(hidden, (i, j), out * tanh(state))


@compiled
def step_back(gates, before, after, d_hidden, d_state, d_gates):
    """From the gradients of states and cells after the step to those of the sums, and of the cells before it."""
    for i in range(gates.shape[0]):
        for j in range(0, gates.shape[2], LANES):
            entry, forget = load(gates, (i, 0, j)), load(gates, (i, 1, j))
            candidate, out = load(gates, (i, 2, j)), load(gates, (i, 3, j))
            y, above = tanh(load(after, (i, j))), load(d_hidden, (i, j))
            inner = load(d_state, (i, j)) + above * out * (_ONE - y * y)
            store(d_gates, (i, 0, j), inner * candidate * (entry * (_ONE - entry)))
            store(d_gates, (i, 1, j), inner * load(before, (i, j)) * (forget * (_ONE - forget)))
            store(d_gates, (i, 2, j), inner * entry * (_ONE - candidate * candidate))
            store(d_gates, (i, 3, j), above * y * (out * (_ONE - out)))
            store(d_state, (i, j), inner * forget)
