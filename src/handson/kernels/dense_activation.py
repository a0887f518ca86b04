"""The activations of the program of a dense net, and the backward pass through them, by number.

The kernels are in ``c/dense_activation.c``; the formulas are those of `handson.activations`. NaN passes through as it
does in PyTorch: comparisons are written so that it is never taken for 0.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record

# In the order of `ACTIVATIONS` in `handson.training.engines.dense.program`.
(LINEAR, RELU, LEAKY_RELU, ELU, SELU, RELU6, HARD_SIGMOID, TANH, SIGMOID, SOFTSIGN, EXPONENTIAL, SOFTMAX, SOFTPLUS,
 SILU, GELU) = range(15)  # fmt: skip
# From here on the backward pass needs what went in, so that these do not work in place.
FIRST_OF_INPUTS = SILU


class _Activation(Record):
    kind: Int
    rows: Int
    columns: Int
    inputs: Pointer
    outputs: Pointer
    gradients: Pointer


_activate, _deactivate = Kernel("dense_activate", _Activation), Kernel("dense_deactivate", _Activation)


def activate(kind: int, inputs: np.ndarray, outputs: np.ndarray) -> None:
    """Apply an activation to a matrix; the outputs may be in the place of the inputs.

    Examples
    --------
    >>> x = np.array([[-1, 2]], np.float32)
    >>> activate(RELU, x, x); x.tolist()
    [[0.0, 2.0]]
    """
    rows, columns = inputs.shape
    _activate(_Activation(kind=kind, rows=rows, columns=columns, inputs=inputs, outputs=outputs))


def deactivate(kind: int, inputs: np.ndarray, outputs: np.ndarray, gradients: np.ndarray) -> None:
    """From the gradients of an activation's outputs to those of its inputs, in place."""
    rows, columns = outputs.shape
    _deactivate(_Activation(kind=kind, rows=rows, columns=columns, inputs=inputs, outputs=outputs, gradients=gradients))
