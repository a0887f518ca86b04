"""One step of a GRU (reset after the product), given the sums that go into its gates, and the way back.

The formulas are those of `handson.layers.GRU.loop`. Gates are in the order update, reset, candidate; the sums of the
candidate come in two parts, that of the state, which is reset, and that of the inputs. What is kept: both gates, the
first of the parts, and the candidate. The cell is the state.
"""

from __future__ import annotations

from numpy import float32

from handson.kernels.elementary import divided, sigmoid_fraction, tanh
from handson.kernels.vectors import LANES, compiled, load, store

_ONE = float32(1)


@compiled
def step(gates, before, after, hidden):
    """From the sums in `gates` (rows, 4, width) and the cells `before` to gates, cells and states (rows, width)."""
    for i in range(gates.shape[0]):
        for j in range(0, gates.shape[2], LANES):
            update, reset = divided(sigmoid_fraction(load(gates, (i, 0, j))), sigmoid_fraction(load(gates, (i, 1, j))))
            candidate = tanh(load(gates, (i, 3, j)) + reset * load(gates, (i, 2, j)))
            state = update * load(before, (i, j)) + (_ONE - update) * candidate
            store(gates, (i, 0, j), update)
            store(gates, (i, 1, j), reset)
            store(gates, (i, 3, j), candidate)
            store(after, (i, j), state)
            store(hidden, (i, j), state)


@compiled
def step_back(gates, before, after, d_hidden, d_state, d_gates):
    """From the gradients of states and cells after the step to those of the sums, and of the cells before it."""
    for i in range(gates.shape[0]):
        for j in range(0, gates.shape[2], LANES):
            update, reset = load(gates, (i, 0, j)), load(gates, (i, 1, j))
            inner, candidate = load(gates, (i, 2, j)), load(gates, (i, 3, j))
            above = load(d_hidden, (i, j)) + load(d_state, (i, j))
            into = above * (_ONE - update) * (_ONE - candidate * candidate)
            store(d_gates, (i, 0, j), above * (load(before, (i, j)) - candidate) * (update * (_ONE - update)))
            store(d_gates, (i, 1, j), into * inner * (reset * (_ONE - reset)))
            store(d_gates, (i, 2, j), into * reset)
            store(d_gates, (i, 3, j), into)
            store(d_state, (i, j), above * update)
