"""Reading ahead gives what reading gives, in any order, and ends its threads."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handson.data.rows.ahead import Ahead


def following(key):
    return key + 1 if key < 20 else None


@given(keys=st.lists(st.integers(0, 20), max_size=30), depth=st.integers(1, 5), threads=st.integers(1, 3))
def test_values_are_those_of_their_keys(keys, depth, threads):
    ahead = Ahead(lambda key: key * 10, following, depth, threads)
    assert [ahead.get(key) for key in keys] == [key * 10 for key in keys]
    ahead.close()


def test_so_much_is_read_ahead_and_no_more():
    read = []
    ahead = Ahead(lambda key: read.append(key), following, 3)
    ahead.get(4)
    deadline = time.monotonic() + 10
    while len(read) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    ahead.close()
    assert read == [4, 5, 6, 7]


def test_an_error_is_raised_at_its_key_only():
    def read(key):
        return 1 / (key - 2)

    ahead = Ahead(read, following, 3)
    assert [ahead.get(0), ahead.get(1)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        ahead.get(2)
    assert ahead.get(3) == 1.0
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("handson-read")]
