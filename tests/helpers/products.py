"""The products of `handson/kernels/c/products.h` for NumPy's arrays of float32."""

import ctypes

import numpy as np

from handson.kernels.library import Int, Pointer, Record, loaded


class Product(Record):
    """As `product` in C."""

    rows: "Int"
    depth: "Int"
    columns: "Int"
    sums: "Pointer"
    sums_row: "Int"
    begin: "Pointer"
    begin_row: "Int"
    left: "Pointer"
    left_row: "Int"
    left_step: "Int"
    offsets: "Pointer"
    steps: "Pointer"
    right: "Pointer"
    right_row: "Int"
    right_vector: "Int"


def steps_of(array):
    """The strides of an array, in values."""
    return [stride // array.itemsize for stride in array.strides]


def multiply(sums, begin, left, right):
    """sums = begin + left @ right; `begin` is an array like `sums`, a row, or None; `right` (depth, blocks, lanes)."""
    given = Product(
        rows=len(sums), depth=len(right), columns=sums.shape[1], sums=sums, sums_row=steps_of(sums)[0],
        begin=begin, begin_row=0 if begin is None or begin.ndim == 1 else steps_of(begin)[0],
        left=left, left_row=steps_of(left)[0], left_step=steps_of(left)[1],
        right=right, right_row=steps_of(right)[0], right_vector=steps_of(right)[1],
    )  # fmt: skip
    loaded().multiply(ctypes.byref(given))


def multiply_gathered(sums, values, offsets, steps, right):
    """sums += left @ right, where the element of `left` at (i, k) is values[offsets[i] + steps[k]]."""
    given = Product(
        rows=len(sums), depth=len(right), columns=sums.shape[1], sums=sums, sums_row=steps_of(sums)[0],
        begin=sums, begin_row=steps_of(sums)[0], left=values, offsets=offsets, steps=steps,
        right=right, right_row=steps_of(right)[0], right_vector=steps_of(right)[1],
    )  # fmt: skip
    loaded().multiply_gathered(ctypes.byref(given))


def _pointer(array):
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def make_product(sums, begin, left, right):
    """sums = begin + left @ right; `begin` is one row, or None."""
    numbers = [ctypes.c_int64(number) for number in (*steps_of(left), steps_of(right)[0], *left.shape, right.shape[1])]
    loaded().make_product(
        _pointer(sums), ctypes.c_int64(steps_of(sums)[0]), _pointer(begin), _pointer(left), *numbers[:2],
        _pointer(right), *numbers[2:],
    )  # fmt: skip


def transpose(matrix, turned):
    """turned = matrix.T, both without gaps."""
    loaded().transpose(_pointer(matrix), *map(ctypes.c_int64, matrix.shape), _pointer(turned))


def normal(seed, *shape):
    """Normal numbers in single precision."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
