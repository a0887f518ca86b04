"""Where the values of a program and their gradients lie in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handson.kernels.aligned import LINE
from handson.kernels.dense_activation import FIRST_OF_INPUTS
from handson.kernels.dense_program import (
    ACTIVATION,
    ADDS,
    AFTER,
    BATCH_NORMALIZATION,
    BEFORE,
    DROPOUT,
    DX,
    DY,
    FIRST,
    KIND,
    MATMUL,
    NUMBER,
    SCALING,
    SECOND,
    THIRD,
    X,
    Y,
)


class Layout(NamedTuple):
    """A program with places for batches of some size.

    Attributes
    ----------
    operations : array, shape (operations, columns)
        See `handson.kernels.dense_program`.
    arena, slopes : int
        How many float32 the values and their gradients take.
    outputs : list of int
        Where the outputs are in the arena.
    gradients : list of (int, bool)
        Where their gradients go, and whether they are added to those that another output of the same value has put
        there.
    """

    operations: np.ndarray
    arena: int
    slopes: int
    outputs: list[int]
    gradients: list[tuple[int, bool]]


def laid_out(operations: np.ndarray, outputs: Sequence[int], size: int, trained: int) -> Layout:
    """Give values and gradients their places.

    Parameters
    ----------
    operations : array, shape (operations, columns)
        With the numbers of values in place of their places.
    outputs : list of int
        The numbers of the values that are outputs.
    size : int
        The most rows of a batch.
    trained : int
        The weights before this one are trained.

    Examples
    --------
    A value, in columns of which another one is put twice:

    >>> from handson.kernels.dense_program import COLUMNS, GATHER, JOIN
    >>> rows = np.zeros((3, COLUMNS), np.int64)
    >>> rows[:, [KIND, BEFORE, AFTER, X, Y]] = [(GATHER, 2, 2, -1, 0), (JOIN, 2, 4, 0, 1), (JOIN, 2, 4, 0, 1)]
    >>> laid_out(rows, [1], 4, 0).operations[:, [X, Y]].tolist()
    [[0, 0], [0, 16], [0, 16]]
    """
    rows = operations.copy()
    block = _whole(size * int(rows[:, [BEFORE, AFTER]].max()))
    gradients, blocks = _give_gradients(rows, outputs, trained)
    places, arena = _places(rows, outputs, size)
    rows[:, Y] = [places[value] for value in rows[:, Y].tolist()]
    rows[:, X] = [places.get(value, 0) for value in rows[:, X].tolist()]
    for column in (DX, DY):
        rows[rows[:, column] > 0, column] *= block
    return Layout(
        rows, arena, blocks * block, [places[value] for value in outputs],
        [(number * block, adds) for number, adds in gradients],
    )  # fmt: skip


def evaluated(operations: np.ndarray, outputs: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """The operations in evaluation mode, and the numbers of the outputs: without dropout, with the moving moments."""
    rows, same = operations.copy(), dict[int, int]()
    for row in rows:
        row[X] = same.get(int(row[X]), row[X])
        if row[KIND] == DROPOUT:
            same[int(row[Y])] = int(row[X])
    rows = rows[rows[:, KIND] != DROPOUT]
    rows[rows[:, KIND] == BATCH_NORMALIZATION, KIND] = SCALING
    return rows, [same.get(value, value) for value in outputs]


def _places(rows: np.ndarray, outputs: Sequence[int], size: int) -> tuple[dict[int, int], int]:
    """Where each value begins, and the end of the last.

    Activations work in place, where nothing else needs what they change.
    """
    uses = Counter([*rows[:, X].tolist(), *outputs])
    kinds = {int(row[Y]): row[KIND] for row in rows}
    places, end = dict[int, int](), 0
    for row in rows:
        x, y = int(row[X]), int(row[Y])
        # The backward pass of an activation needs its outputs, and that of some their inputs.
        if row[KIND] == ACTIVATION != kinds[x] and row[FIRST] < FIRST_OF_INPUTS and uses[x] == 1:
            places[y] = places[x]
        elif y not in places:
            places[y], end = end, end + _whole(size * int(row[AFTER]))
    return places, end


def _give_gradients(rows: np.ndarray, outputs: Sequence[int], trained: int) -> tuple[list[tuple[int, bool]], int]:
    """Number the blocks that gradients are in, in `rows` and for the outputs; and how many blocks there are.

    A block is free for others where the gradient in it has gone through all operations behind it. So a stack of layers
    needs two.
    """
    moving, blocks = _trained_values(rows, trained), _Blocks()
    gradients = [(blocks.of(value), value in outputs[:place]) for place, value in enumerate(outputs)]
    first = {int(row[Y]): place for place, row in reversed(list(enumerate(rows)))}
    seen: set[int] = set()
    rows[:, [DX, DY]] = -1
    for place in range(len(rows) - 1, -1, -1):
        row, x, y = rows[place], int(rows[place, X]), int(rows[place, Y])
        if y in moving:
            row[DY] = blocks.held[y]
            if row[KIND] == MATMUL and row[THIRD]:
                row[NUMBER] = sum(bit for bit, column in ((1, FIRST), (2, SECOND)) if int(row[column]) in seen - {-1})
                seen |= {int(row[FIRST]), int(row[SECOND])}
        if y in moving and x in moving:
            row[ADDS] = x in blocks.held
            if row[KIND] == ACTIVATION and not row[ADDS]:
                blocks.hand_over(y, x)
            row[DX] = blocks.of(x)
        if first[y] == place:
            blocks.free(y)
    return gradients, blocks.count


class _Blocks:
    """Blocks of memory, by the numbers of the values whose gradients are in them."""

    def __init__(self) -> None:
        self.held: dict[int, int] = {}
        self.count = 0
        self._free: list[int] = []

    def of(self, value: int) -> int:
        """The block of a value, a free one if it has none yet."""
        if value not in self.held:
            if not self._free:
                self._free.append(self.count)
                self.count += 1
            self.held[value] = self._free.pop()
        return self.held[value]

    def hand_over(self, value: int, other: int) -> None:
        """Let another value have the block of a value."""
        self.held[other] = self.held.pop(value)

    def free(self, value: int) -> None:
        """The block of a value, if it has one, is free."""
        if value in self.held:
            self._free.append(self.held.pop(value))


def _trained_values(rows: np.ndarray, trained: int) -> set[int]:
    """The values that depend on weights that are trained."""
    found: set[int] = set()
    for row in rows:
        holds = row[KIND] in (MATMUL, BATCH_NORMALIZATION)
        if int(row[X]) in found or (holds and any(0 <= row[column] < trained for column in (FIRST, SECOND))):
            found.add(int(row[Y]))
    return found


def _whole(count: int) -> int:
    """At least so many float32, in whole lines of the processor's cache."""
    return -(-count // LINE) * LINE
