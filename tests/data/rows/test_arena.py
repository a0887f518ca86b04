"""Blocks in a ring of memory: right whoever reads them, never more than there is room for, never moved in use."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handson.data.rows.arena import Arena

ROW = np.dtype((np.int64, (2,)))


def arena(sizes, capacity, calls=None):
    def read(number, rows):
        assert rows.shape == (sizes[number], 2)
        rows[:] = number
        if calls is not None:
            calls.append(number)

    return Arena(np.array(sizes), capacity, ROW, read)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_blocks_of_any_sizes_hold_what_was_read_into_them(data):
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=12))
    found = arena(sizes, max(sizes) + data.draw(st.integers(0, 15)))
    asked = st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=5)
    with ExitStack() as stack:
        kept = []
        for numbers in data.draw(st.lists(asked, max_size=12)):
            kept += stack.enter_context(found.holding(numbers))
            assert all((block.rows == block.number).all() for block in kept)
            if data.draw(st.booleans()):
                stack.pop_all().close()
                kept = []
        own = list(found._held.values())
        places = sorted((block.start, block.stop) for block in own)
        assert all(stop <= start for (_, stop), (start, _) in pairwise(places))
        assert all(stop <= found.capacity for _, stop in places)
    assert all(block.users == 0 for block in found._held.values())


def test_the_oldest_blocks_make_room():
    calls = []
    found = arena([1] * 9, 4, calls)
    for number in (0, 1, 2, 3, 0, 4, 1, 2, 3, 4, 0):
        with found.holding([number]):
            pass
    assert calls == [0, 1, 2, 3, 4, 0]
    found.clear()
    assert 0 not in found


def test_threads_that_ask_for_one_block_read_it_once():
    calls, go = [], threading.Barrier(4)

    def ask(_):
        go.wait()
        with found.holding([3, 1]) as blocks:
            return [int(block.rows[0, 0]) for block in blocks]

    found = arena([2] * 4, 8, calls)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [[3, 1]] * 4
    assert sorted(calls) == [1, 3]


def test_what_cannot_be_read_is_asked_for_again():
    tries = []

    def read(number, rows):
        tries.append(number)
        if len(tries) == 1:
            raise OSError("the disk")
        rows[:] = 7

    found = Arena(np.array([2]), 2, ROW, read)
    with pytest.raises(OSError, match="the disk"), found.holding([0]):
        pass
    with found.holding([0]) as (block,):
        assert (block.rows == 7).all()
