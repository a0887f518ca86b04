"""A dense layer in compiled kernels: what it puts out, and the gradients of its weights and of its inputs.

The kernels are in ``c/dense_layer.c``, and the program calls them there. Large products are dealt to threads; what they
give does not depend on how many these are.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record
from handson.kernels.threads import crew


class _Layer(Record):
    rows: Int
    before: Int
    after: Int
    x: Pointer
    kernel: Pointer
    bias: Pointer
    y: Pointer
    gradient: Pointer
    d_kernel: Pointer
    d_bias: Pointer
    below: Pointer
    turned: Pointer
    start: Pointer
    threads: Int


_layer = Kernel("dense_layer", _Layer)


def dense_layer(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None, gradient: np.ndarray, threads: int = 1
) -> tuple[np.ndarray, ...]:
    """The outputs ``x @ kernel + bias``, and the gradients of kernel, bias and x from those of the outputs.

    Examples
    --------
    >>> one = np.ones((1, 1), np.float32)
    >>> [part.item() for part in dense_layer(2 * one, 3 * one, one[0], one)]
    [7.0, 2.0, 1.0, 3.0]
    """
    (rows, before), after = x.shape, kernel.shape[1]
    y, d_kernel, below = np.empty_like(gradient), np.empty_like(kernel), np.empty_like(x)
    d_bias = np.empty(0 if bias is None else after, np.float32)
    _layer(
        _Layer(
            rows=rows, before=before, after=after, x=x, kernel=kernel, bias=bias, y=y, gradient=gradient,
            d_kernel=d_kernel, d_bias=None if bias is None else d_bias, below=below, turned=np.empty_like(kernel),
            start=crew()[0], threads=threads,
        )
    )  # fmt: skip
    return y, d_kernel, d_bias, below
