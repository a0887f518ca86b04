"""Rows that are dealt to threads."""

import os
import sys
import threading
import warnings

import numba
import numpy as np
import pytest
import torch

from handson.kernels import threads
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


def threads_of(rows, columns):
    """The threads that are used, and the rows of each."""
    used = []
    barrier = threading.Lock()

    def note(x):
        with barrier:
            used.append((threading.get_ident(), len(x)))

    over_rows(note, (np.zeros((rows, columns)),))
    return used


def test_large_arrays_take_the_threads_of_torch(two_threads):
    assert sorted(rows for _, rows in threads_of(5, WORTH_A_THREAD)) == [2, 3]
    torch.set_num_threads(1)
    assert threads_of(5, WORTH_A_THREAD) == [(threading.get_ident(), 5)]


def test_small_arrays_take_one_thread(two_threads):
    assert threads_of(5, 10) == [(threading.get_ident(), 5)]


@pytest.mark.parametrize("row", [0, 2])
def test_an_error_in_a_thread_is_raised(two_threads, row):
    def fails(x):
        if x[0, 0]:
            raise ValueError("in a thread")

    x = np.zeros((4, WORTH_A_THREAD))
    x[row] = 1

    with pytest.raises(ValueError, match="in a thread"):
        over_rows(fails, (x,))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds for Linux bring GNU OpenMP along")
def test_the_threads_of_pytorch_are_found():
    assert threads._openmp() is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_makes_threads_of_its_own(two_threads):
    threads_of(4, WORTH_A_THREAD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of what this test is about
        child = os.fork()
    if not child:
        fine = len(threads_of(4, WORTH_A_THREAD)) == 2
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
