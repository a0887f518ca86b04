"""Rows in blocks: each is seen once, in an order that follows from seed and epoch; disks that fail for a moment."""

import errno
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.data.rows import arena, patience
from handson.data.rows.blocks import Blocks, BrokenRowsError
from handson.data.rows.patience import DiskError, patiently
from handson.data.rows.stored import StoredRows
from handson.data.rows.windows import Windows, windows_of
from handson.randomness.keys import derive

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=sizes, window=st.integers(1, 30), skip=st.sets(st.integers(0, 107), max_size=9),
       seed=st.integers(0, 5), reverse=st.booleans())  # fmt: skip
def test_every_row_is_seen_once_an_epoch_and_mixed_with_its_window(sizes, window, skip, seed, reverse):
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    blocks = np.delete(blocks, [row for row in skip if row < len(blocks)])
    if not len(blocks):
        return
    blocks = blocks[::-1] if reverse else blocks
    windows = Windows(blocks, np.array(sizes), window)
    key, count = derive(seed, "shuffle", 0), len(blocks)
    rows = windows.rows(key, 0, count)
    assert np.array_equal(np.sort(rows), np.arange(count))
    # Steps of any length see the same order.
    assert np.array_equal(np.concatenate([windows.rows(key, a, min(a + 7, count)) for a in range(0, count, 7)]), rows)
    # A block lies in one window, and a window is followed by the next.
    position, seen = 0, []
    while position < count:
        number = windows.of(key, position)
        assert number == len(seen)
        own = windows.numbered(key, number)
        assert np.array_equal(own, rows[position : position + len(own)])
        seen.append(set(blocks[own]))
        position += len(own)
    assert position == count
    assert sum(map(len, seen)) == len(set(blocks))
    assert all(sum(sizes[block] for block in own) < window + max(sizes) for own in seen)


def test_other_epochs_and_seeds_have_other_orders():
    windows = Windows(np.repeat(np.arange(20), 10), np.full(20, 10), 50)
    orders = {tuple(windows.rows(derive(seed, "shuffle", epoch), 0, 200)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


class Memory:
    """A reader of blocks of three rows, some of which cannot be read."""

    name, shape, dtype = "memory", (12, 2), np.dtype(np.float32)
    bounds = np.array([0, 3, 6, 9, 12])

    def __init__(self, errors=()):
        self.errors, self.closed = list(errors), 0

    def file(self, number):
        return None

    def read(self, number, out):
        if self.errors and number == 1:
            error = self.errors[0] if callable(self.errors[0]) else self.errors.pop(0)
            raise error() if callable(error) else error
        out[:] = np.arange(24, dtype=np.float32).reshape(12, 2)[self.bounds[number] : self.bounds[number + 1]]

    def close(self):
        self.closed += 1


@pytest.fixture
def waits(monkeypatch):
    found = []
    monkeypatch.setattr(patience.time, "sleep", found.append)
    return found


def test_a_disk_that_fails_for_a_moment_is_waited_for(waits):
    reader = Memory([OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EIO, "Input/output error")])
    rows = StoredRows(Blocks(reader))
    assert rows[3:5].tolist() == [[6.0, 7.0], [8.0, 9.0]]
    assert (waits, reader.closed) == ([0.1, 0.5], 2)  # opened again, each time


def test_a_disk_that_stays_away_is_an_error_with_an_end(waits):
    rows = StoredRows(Blocks(Memory([lambda: OSError(errno.ESTALE, "Stale file handle")])))
    with pytest.raises(DiskError, match=r"rows 3 to 5 could not be read: the disk failed 6 times in 41 seconds"):
        rows.read(range(12))
    assert waits == list(patience.WAITS)
    with pytest.raises(DiskError):  # no row is left out because a server is away
        rows.source.broken()
    assert rows[0:3].shape == (3, 2)


def test_other_errors_are_not_waited_for(waits):
    with pytest.raises(FileNotFoundError):
        patiently("a", lambda: Path("/no/such/file").read_bytes(), lambda: None)
    rows = StoredRows(Blocks(Memory([lambda: RuntimeError("bad checksum\nmore")])))
    with pytest.raises(BrokenRowsError, match=r"memory, rows 3 to 5: bad checksum\. .*skip_broken=True"):
        rows[4]
    assert not waits
    assert sorted(rows.source.broken()) == [3, 4, 5]


def test_blocks_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("handson.data.rows.blocks.MOST_BLOCK", 20)
    with pytest.raises(HandsonError, match="is stored in blocks of 3 rows, 24 bytes"):
        Blocks(Memory())


def test_the_windows_are_those_of_the_larger_rows():
    small, large = StoredRows(Blocks(Memory(), window=3)), StoredRows(Blocks(Memory(), window=6))
    large.source.dtype = np.dtype(np.float64)
    assert windows_of([small, large]).window == 6
    assert windows_of([np.zeros(3)]) is None


def test_rows_for_which_there_is_no_memory_are_not_broken(monkeypatch):
    def read(self, number, out):
        raise MemoryError("realloc of size 1792 failed")

    monkeypatch.setattr(Memory, "read", read)
    source = Blocks(Memory())
    with pytest.raises(HandsonError, match="no memory for them") as caught:
        source.broken()
    assert not isinstance(caught.value, BrokenRowsError)


def test_windows_for_which_there_is_no_memory_are_said(monkeypatch):
    rows = StoredRows(Blocks(Memory()))
    monkeypatch.setattr(arena, "np", Mock(empty=Mock(side_effect=MemoryError("Unable to allocate 9 GiB"))))
    with pytest.raises(HandsonError, match=r"memory: no memory for 12 rows, .*Give a smaller window"):
        rows[0]


def test_memory_is_given_back():
    source = Blocks(Memory(), window=3)
    assert StoredRows(source)[3:5].tolist() == [[6.0, 7.0], [8.0, 9.0]]
    assert 1 in source._arena
    source.close()
    assert 1 not in source._arena
    assert StoredRows(source)[3:5].tolist() == [[6.0, 7.0], [8.0, 9.0]]


def test_rows_are_taken_by_number_slice_or_selection():
    rows = StoredRows(Blocks(Memory()))
    whole = rows[:].numpy()
    assert np.array_equal([row.numpy() for row in rows], whole)
    assert np.array_equal(rows[np.int64(-1)], whole[-1])
    assert np.array_equal(rows.select(np.array([-1, 2]))[:], whole[[-1, 2]])
    with pytest.raises(IndexError):
        rows[12]
    for wrong in (np.array([12]), np.array([-13]), np.ones(11, bool)):
        with pytest.raises(IndexError):
            rows.select(wrong)
    with pytest.raises(HandsonError, match=r"rows\.select"):
        rows[[1, 2]]
