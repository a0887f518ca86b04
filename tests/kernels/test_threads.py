"""Rows that are dealt to threads."""

import os
import sys
import warnings

import numba
import numpy as np
import pytest
import torch

from handson.kernels import keyed_dropout, normalized_pool, pooled_relu, threads
from handson.kernels.sharing import on_threads
from handson.kernels.threads import WORTH_A_THREAD, over_rows


@numba.njit(nogil=True)
def double(x, y, more):
    for i in range(len(x)):
        y[i] += 2 * x[i] + more


@pytest.fixture(params=["of PyTorch", "of Python"])
def two_threads(request, monkeypatch):
    if request.param == "of Python":
        monkeypatch.setattr(threads, "_openmp", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_every_row_is_done_once(rng, two_threads, rows):
    x = rng.normal(size=(rows, WORTH_A_THREAD))
    y = np.ones_like(x)
    over_rows(double, (x, y), 3)
    np.testing.assert_array_equal(y, 1 + (2 * x + 3))


@numba.njit(nogil=True)
def note(x, seen):
    seen[:] = len(x)


def parts_of(rows, columns):
    """For each row how large the part is that it is in."""
    seen = np.zeros(rows)
    over_rows(note, (np.zeros((rows, columns)), seen))
    return list(seen)


def test_large_arrays_take_the_threads_of_torch(two_threads):
    ours = threads._openmp() is None  # those of Python take one part each
    assert parts_of(9, WORTH_A_THREAD) == ([4] * 4 + [5] * 5 if ours else [1] * 7 + [2] * 2)
    torch.set_num_threads(1)
    assert parts_of(9, WORTH_A_THREAD) == [9] * 9


def test_small_arrays_take_one_thread(two_threads):
    assert parts_of(5, 10) == [5] * 5


@numba.njit(nogil=True)
def fails(x):
    if x[0, 0]:
        raise MemoryError


@pytest.mark.parametrize("row", [0, 2])
def test_a_failure_in_a_thread_is_raised(two_threads, row):
    x = np.zeros((4, WORTH_A_THREAD))
    x[row] = 1
    with pytest.raises(MemoryError):
        over_rows(fails, (x,))
    over_rows(fails, (np.zeros_like(x),))


@numba.njit(nogil=True)
def gather(rows, matrix, flags, pair, number, word, table):
    for i in range(len(rows)):
        rows[i] += matrix[i].sum() + flags[i] + pair[0] * pair[1][0] + number * word + table[0, 1]


def test_arrays_of_any_kind_and_constants_of_any_kind_are_handed_on(rng, two_threads):
    wide, flags = rng.integers(0, 9, (6, 7, 2, 5)), np.arange(6, dtype=np.uint8)
    table = np.asfortranarray(rng.integers(0, 9, (3, 4)).astype(np.float32))
    for matrix in (wide, wide[::-1, ::2], wide.transpose(0, 3, 1, 2), wide[:, 1:]):
        found = np.zeros(6)
        over_rows(gather, (found, matrix, flags), (2, (3, 4)), 0.5, np.uint64(8), table, work=1 << 30)
        np.testing.assert_array_equal(found, matrix.sum((1, 2, 3)) + flags + 6 + 4 + table[0, 1])


def test_a_kernel_of_another_name_is_not_taken_for_it():
    """Functions that start threads are kept in one file of numba's cache each."""
    kernels = keyed_dropout.drop, normalized_pool.spread, pooled_relu.pool, pooled_relu.unpool, double
    assert len({on_threads(kernel).py_func.__qualname__ for kernel in kernels}) == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds for Linux bring GNU OpenMP along")
def test_the_threads_of_pytorch_are_found():
    assert threads._openmp() is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_makes_threads_of_its_own(two_threads):
    parts_of(4, WORTH_A_THREAD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of what this test is about
        child = os.fork()
    if not child:
        fine = parts_of(4, WORTH_A_THREAD) == [2] * 4
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
