"""Training steps of a net of dense layers as one compiled program, without Python between them.

A program is a list of operations, each a row of integers (`KIND`, sizes and offsets into flat arrays): each takes one
value from the arena and gives one; branches meet where several operations give parts of the same value. Per step it
gathers a batch, runs forward, losses, backward and optimizer, and leaves the step's losses behind. It must equal
`handson.training.engines.eager` within rounding; the formulas are those of the layers, losses and optimizers. The
kernels are in ``c/dense_program.c``, and these records are described in ``c/dense.h``.
"""

from __future__ import annotations

import numpy as np

from handson.kernels.library import Int, Kernel, Pointer, Record

(MATMUL, ACTIVATION, DROPOUT, BATCH_NORMALIZATION, SCALING, GATHER, JOIN, AFFINE, PRODUCT, LARGER,
 SMALLER) = range(11)  # fmt: skip

# Columns of an operation: the kind; the sizes of a sample before and after; and what the kind needs.
#   MATMUL: offsets of kernel and bias (-1: none), whether any of them is trained, and the bits of those (1, 2) whose
#   gradients have a part already, from an application that comes later in the net.
#   ACTIVATION: which. DROPOUT: its number. GATHER: the first of its columns in the data.
#   BATCH_NORMALIZATION: offsets of gamma and beta (-1: none), of its moments, and the number of its constants. SCALING,
#   which is what it does in evaluation mode: the same. AFFINE, x * factor + offset: the number of its constants.
#   JOIN: the first of the columns of the output that the input is put into, and whether it is added to what is there.
#   PRODUCT, LARGER, SMALLER, of two values: an operation for each, one after the other, with the same output: the other
#   value, and whether this is the second.
# Then offsets: of input and output in the arena; of their gradients in `slopes` (-1: not needed). Last, whether other
# operations have given a part of the gradient of the input.
KIND, BEFORE, AFTER, FIRST, SECOND, THIRD, NUMBER, X, Y, DX, DY, ADDS, COLUMNS = range(13)


class Net(Record):
    """The operations, the weights, and the memory that steps work in."""

    operations: Pointer
    count: Int
    weights: Pointer
    gradients: Pointer
    moving: Pointer
    moments: Pointer
    features: Int
    constants: Pointer
    thresholds: Pointer
    scales: Pointer
    masks: Pointer
    arena: Pointer
    slopes: Pointer
    spare: Pointer
    sums: Pointer
    compared: Pointer
    turned: Pointer
    most: Int
    compared_most: Int
    start: Pointer
    threads: Int


class Span(Record):
    """The rows of epochs of the same length, one after another.

    Every epoch has `length` rows and as many `steps`, each of which takes `batch_size` of its rows; the last may be
    smaller. Each has a row of `keys`, `drops` of them. The penalties of the steps go into `penalties`.
    """

    order: Pointer
    length: Int
    batch_size: Int
    steps: Int
    keys: Pointer
    drops: Int
    penalties: Pointer


class Training(Record):
    """All that steps need: a `Net`, inputs, a `Head` for each output, an `Update` and a `Span`."""

    net: Pointer
    inputs: Pointer
    columns: Int
    heads: Pointer
    outputs: Int
    update: Pointer
    span: Pointer


class _Segments(Record):
    values: Pointer
    present: Pointer
    rows: Int
    columns: Int
    batch_size: Int
    totals: Pointer
    counts: Pointer


# The steps from the first to the last, and the halves of a step around losses that are computed elsewhere.
train, forward, backward = (Kernel(f"dense_{name}", Training) for name in ("train", "forward", "backward"))
_segment_sums = Kernel("segment_sums", _Segments)


def segment_sums(values: np.ndarray, present: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of the values of each batch that are present, in double precision and in order.

    Examples
    --------
    >>> totals, counts = segment_sums(np.ones((3, 2), np.float32), np.ones((3, 2), np.bool_), 2)
    >>> totals.tolist(), counts.tolist()
    ([4.0, 2.0], [4, 2])
    """
    steps = -(-len(values) // batch_size)
    totals, counts = np.zeros(steps), np.zeros(steps, np.int64)
    rows, columns = values.shape
    values, present = np.ascontiguousarray(values), np.ascontiguousarray(present)
    _segment_sums(
        _Segments(
            values=values, present=present, rows=rows, columns=columns, batch_size=batch_size, totals=totals,
            counts=counts,
        ), 0, steps,
    )  # fmt: skip
    return totals, counts
