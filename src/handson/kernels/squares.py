"""Small squares of vectors, each multiplied from both sides with a matrix of zeros and ones.

On one side of such a product the squares are parts of images (height, width, channels); on the other, the values of all
squares at one of their places are a matrix (squares, channels) of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from handson.kernels.tiles import INDEX, Array
from handson.kernels.vectors import LLVM_VECTOR

Matrix = Sequence[Sequence[int]]


def turning(matrices: Mapping[int, Matrix], split: bool) -> Any:
    """A function (from, index, to, place, size) for compiled kernels: it writes matrix @ square @ matrix.T.

    Parameters
    ----------
    matrices : dict
        For each size what a square is multiplied with, from the left and, transposed, from the right: 0, 1 or -1, in
        each row a 1.
    split : bool
        True: a square comes from an image, and its places go to matrices. False: the other way.

    Returns
    -------
    function
        `from` and `to` are arrays of float32, the last axis without gaps. `index` and `place`, tuples, say where in
        them a square begins: at a row, a column and a channel of an image, which may be one of several; at a place, a
        square and a channel of the matrices.
    """

    def turn(typing_context: Any, source: Any, index: Any, target: Any, place: Any, size: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, last = (
                _begin(context, builder, signature.args[i : i + 2], arguments[i : i + 2]) for i in (0, 2)
            )  # fmt: skip
            end, impossible = builder.append_basic_block("end"), builder.append_basic_block("impossible")
            switch = builder.switch(arguments[4], impossible)
            for each, matrix in matrices.items():
                block = builder.append_basic_block(f"size{each}")
                switch.add_case(INDEX(each), block)
                builder.position_at_end(block)
                _generate_turn(builder, matrix, first, last, split)
                builder.branch(end)
            builder.position_at_end(impossible)
            builder.unreachable()
            builder.position_at_end(end)
            return context.get_dummy_value()

        return types.void(source, index, target, place, types.int64), generate

    return intrinsic(turn)


def _begin(context: Any, builder: Any, kinds: Any, values: Any) -> Array:
    """The array's last three axes, from an index on."""
    array = Array.of(context, builder, kinds[0], values[0])
    begun = array.at(builder, *cgutils.unpack_tuple(builder, values[1]))
    return begun._replace(strides=begun.strides[-3:])


def _generate_turn(builder: Any, matrix: Matrix, first: Array, last: Array, split: bool) -> None:
    """Code that reads a square, all of whose values are then in registers, and writes it turned."""
    rows, columns = len(matrix), len(matrix[0])
    reads, writes = _places(builder, first, columns, not split), _places(builder, last, rows, split)
    square = [[place.load(builder, LLVM_VECTOR) for place in row] for row in reads]
    half = [[_combined(builder, factors, column) for column in zip(*square, strict=True)] for factors in matrix]
    for i, j in product(range(rows), repeat=2):
        builder.store(_combined(builder, matrix[j], half[i]), writes[i][j].pointer(builder, LLVM_VECTOR), align=4)


def _combined(builder: Any, factors: Sequence[int], values: Sequence[Any]) -> Any:
    """Code for the sum of vectors, each times its factor."""
    added, taken = (
        [value for factor, value in zip(factors, values, strict=True) if factor == sign] for sign in (1, -1)
    )
    return reduce(builder.fsub, taken, reduce(builder.fadd, added))


def _places(builder: Any, array: Array, size: int, matrices: bool) -> list[list[Array]]:
    """Where the vectors of a square are: in matrices, or in an image."""

    def index(i: int, j: int) -> list[Any]:
        return [INDEX(size * i + j)] if matrices else [INDEX(i), INDEX(j)]

    return [[array.at(builder, *index(i, j)) for j in range(size)] for i in range(size)]
