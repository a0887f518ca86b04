"""What the program of a dense net does with the gradients of a step: penalties, bounds, the optimizer, the average.

The kernels are in ``c/dense_update.c``; the formulas are those of `handson.regularizers` and `handson.optimizers`, on
flat arrays. NaN passes through as it does in PyTorch.
"""

from __future__ import annotations

from handson.kernels.library import Int, Pointer, Real, Record

(PLAIN_SGD, MOMENTUM_SGD, NESTEROV_SGD, RMSPROP, MOMENTUM_RMSPROP, CENTERED_RMSPROP, CENTERED_MOMENTUM_RMSPROP, ADAM,
 AMSGRAD, ADAGRAD, ADADELTA, NONE) = range(12)  # fmt: skip
UNBOUNDED, BY_VALUE, BY_NORM, BY_GLOBAL_NORM = range(4)


class Update(Record):
    """Penalties, bounds and optimizer; what changes from step to step has a number for each.

    `penalized` are where weights with penalties begin and end, `factors` those of L1 and L2, `ends` where each trained
    weight ends; the last of the four rows of `slots`, which are `stride` apart, is the moving average of the weights.
    """

    penalized: Pointer
    factors: Pointer
    penalties: Int
    clipping: Int
    bound: Real
    ends: Pointer
    trained: Int
    optimizer: Int
    rates: Pointer
    momenta: Pointer
    decays: Pointer
    shares: Pointer
    first: Real
    second: Real
    epsilon: Real
    slots: Pointer
    stride: Int
