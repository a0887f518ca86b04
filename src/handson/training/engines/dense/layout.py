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
    LARGER,
    MATMUL,
    NUMBER,
    PRODUCT,
    SCALING,
    SECOND,
    SMALLER,
    THIRD,
    X,
    Y,
)

# Those that name a second value that they take.
OF_TWO = (PRODUCT, LARGER, SMALLER)


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
    rows: list[list[int]] = operations.tolist()  # numbers of Python, which are quicker one by one
    block = _whole(size * max(max(row[BEFORE], row[AFTER]) for row in rows))
    gradients, blocks = _give_gradients(rows, outputs, trained)
    places, arena = _places(rows, outputs, size)
    for row in rows:
        row[X], row[Y] = places.get(row[X], 0), places[row[Y]]
        row[FIRST] = places[row[FIRST]] if row[KIND] in OF_TWO else row[FIRST]
        for column in (DX, DY):
            row[column] *= block if row[column] > 0 else 1
    return Layout(
        np.array(rows, np.int64), arena, blocks * block, [places[value] for value in outputs],
        [(number * block, adds) for number, adds in gradients],
    )  # fmt: skip


def evaluated(layout: Layout) -> Layout:
    """The program in evaluation mode, with the same places: without dropout, with the moving moments.

    Examples
    --------
    What takes the output of a dropout takes its input; the activation after it still works in the place of the output:

    >>> from handson.kernels.dense_program import COLUMNS, GATHER, JOIN
    >>> rows = np.zeros((4, COLUMNS), np.int64)
    >>> rows[:, [KIND, X, Y]] = [(GATHER, -1, 0), (DROPOUT, 0, 1), (ACTIVATION, 1, 2), (JOIN, 2, 3)]
    >>> rows[:, [BEFORE, AFTER]] = 2
    >>> evaluated(laid_out(rows, [3], 4, 0)).operations[:, [X, Y]].tolist()
    [[0, 0], [0, 16], [16, 32]]
    """
    kept, same = [], dict[int, int]()
    for row in layout.operations.tolist():
        row[X] = same.get(row[X], row[X])
        row[FIRST] = same.get(row[FIRST], row[FIRST]) if row[KIND] in OF_TWO else row[FIRST]
        if row[KIND] == DROPOUT:
            same[row[Y]] = row[X]
            continue
        same.pop(row[Y], None)  # an activation works in the place of a dropout's output
        row[KIND] = SCALING if row[KIND] == BATCH_NORMALIZATION else row[KIND]
        kept.append(row)
    outputs = [same.get(place, place) for place in layout.outputs]
    return layout._replace(operations=np.array(kept, np.int64), outputs=outputs)


def _places(rows: Sequence[Sequence[int]], outputs: Sequence[int], size: int) -> tuple[dict[int, int], int]:
    """Where each value begins, and the end of the last.

    Activations work in place, where nothing else needs what they change.
    """
    uses = Counter([*(row[X] for row in rows), *outputs])
    kinds = {row[Y]: row[KIND] for row in rows}
    places, end = dict[int, int](), 0
    for row in rows:
        x, y = row[X], row[Y]
        # The backward pass of an activation needs its outputs, and that of some their inputs.
        if row[KIND] == ACTIVATION != kinds[x] and row[FIRST] < FIRST_OF_INPUTS and uses[x] == 1:
            places[y] = places[x]
        elif y not in places:
            places[y], end = end, end + _whole(size * row[AFTER])
    return places, end


def _give_gradients(
    rows: Sequence[list[int]], outputs: Sequence[int], trained: int
) -> tuple[list[tuple[int, bool]], int]:
    """Number the blocks that gradients are in, in `rows` and for the outputs; and how many blocks there are.

    A block is free for others where the gradient in it has gone through all operations behind it. So a stack of layers
    needs two.
    """
    moving, blocks = _trained_values(rows, trained), _Blocks()
    gradients = [(blocks.of(value), value in outputs[:place]) for place, value in enumerate(outputs)]
    first = {row[Y]: place for place, row in reversed(list(enumerate(rows)))}
    seen: set[int] = set()
    for place, row in reversed(list(enumerate(rows))):
        x, y, row[DX], row[DY] = row[X], row[Y], -1, -1
        if y in moving:
            row[DY] = blocks.held[y]
            if row[KIND] == MATMUL and row[THIRD]:
                row[NUMBER] = sum(bit for bit, column in ((1, FIRST), (2, SECOND)) if row[column] in seen - {-1})
                seen |= {row[FIRST], row[SECOND]}
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


def _trained_values(rows: Sequence[Sequence[int]], trained: int) -> set[int]:
    """The values that depend on weights that are trained."""
    found: set[int] = set()
    for row in rows:
        holds = row[KIND] in (MATMUL, BATCH_NORMALIZATION)
        if row[X] in found or (holds and any(0 <= row[column] < trained for column in (FIRST, SECOND))):
            found.add(row[Y])
    return found


def _whole(count: int) -> int:
    """At least so many float32, in whole lines of the processor's cache."""
    return -(-count // LINE) * LINE
