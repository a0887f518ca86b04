"""Rows that are dealt to threads: those of PyTorch's OpenMP, and the library's own."""

import ctypes
import os
import signal
import sys
import threading
import warnings

import numpy as np
import pytest
import torch

from handson.kernels import threads
from handson.kernels.library import Pointer, Record
from handson.kernels.pooled_relu import Drop, PooledRelu
from handson.kernels.threads import WORTH_A_THREAD, over_rows

_AS_IN_C = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Nothing(Record):
    """What a kernel is given here."""

    nothing: "Pointer"


class Python:
    """A function (first, last) in place of a kernel."""

    name = "python"

    def __init__(self, function):
        self.function = _AS_IN_C(lambda record, first, last: function(first, last) or 0)


def call(function, rows, work=1 << 40):
    over_rows(Python(function), Nothing(), rows, work)


@pytest.fixture(params=["of PyTorch", "our own"])
def two_threads(request, monkeypatch):
    if request.param == "our own":
        monkeypatch.setattr(threads, "_openmp", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7, 100])
def test_every_row_is_done_once(two_threads, rows):
    done = []
    call(lambda first, last: done.extend(range(first, last)), rows)
    assert sorted(done) == list(range(rows))


def parts_of(rows, work):
    """For each row how large the part is that it is in."""
    seen = np.zeros(rows)

    def note(first, last):
        seen[first:last] = last - first

    call(note, rows, work)
    return list(seen)


def test_much_work_takes_the_threads_of_torch(two_threads):
    assert parts_of(9, 9 * WORTH_A_THREAD) == [1] * 7 + [2] * 2
    torch.set_num_threads(1)
    assert parts_of(9, 9 * WORTH_A_THREAD) == [9] * 9


def test_little_work_takes_one_thread(two_threads):
    assert parts_of(5, 10) == [5] * 5


def test_two_threads_are_at_work_at_the_same_time(two_threads):
    both = threading.Barrier(2, timeout=60)

    def wait(first, last):
        both.wait()

    call(wait, 2)


def test_alone_no_other_thread_is_at_work(two_threads):
    seen = set()
    with threads.alone():
        call(lambda first, last: seen.add(threading.get_ident()), 50)
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("row", [0, 2])
def test_a_failure_in_a_thread_is_raised(two_threads, row):
    with pytest.raises(MemoryError, match="python: 1 of 4 parts failed"):
        call(lambda first, last: first <= row < last, 4)
    call(lambda first, last: 0, 4)


def test_several_threads_of_python_may_ask_at_once(two_threads, rng):
    """Who finds the pool busy works alone; the numbers are the same."""
    x, drop = torch.tensor(rng.normal(size=(6, 40, 40, 8)).astype("f4")), Drop(7, torch.arange(6), 0.3)
    expected, found = PooledRelu.apply(x, drop), []
    workers = [
        threading.Thread(target=lambda: found.extend(PooledRelu.apply(x, drop) for _ in range(20))) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 60
    assert all(torch.equal(one, expected) for one in found)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds for Linux bring GNU OpenMP along")
def test_the_threads_of_pytorch_are_found():
    assert threads._openmp() is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_makes_threads_of_its_own(two_threads, rng):
    x = torch.tensor(rng.normal(size=(6, 40, 40, 32)).astype("f4"))
    expected = PooledRelu.apply(x, None).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of what this test is about
        child = os.fork()
    if not child:
        signal.alarm(60)  # a child that hangs ends
        # Of PyTorch no operation that would take its threads, which the child has not.
        fine = threads.crew()[0] is None and np.array_equal(PooledRelu.apply(x, None).numpy(), expected)
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
