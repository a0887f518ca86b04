"""Chunks that are read without their library hold what the library says; all others are the library's."""

import h5py
import numpy as np
import pytest

from handson.core.errors import HandsonError
from handson.data import read
from handson.data.reading.containers import hdf5_chunks, zarr_chunks
from handson.data.rows import blocks

zarr = pytest.importorskip("zarr")
ROWS = 43


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)


@pytest.fixture
def counted(monkeypatch):
    """How many blocks are read here, and how many by the library."""
    found = {True: 0, False: 0}

    def count(kind):
        direct = kind.read

        def read(self, *arguments):
            done = direct(self, *arguments)
            found[done is not False] += 1
            return done

        monkeypatch.setattr(kind, "read", read)

    count(hdf5_chunks.Chunks)
    count(zarr_chunks.Chunks)
    return found


def check(path, expected):
    rows = read(path, inputs="x").inputs
    given = rows.array().reshape(expected.shape)
    assert given.dtype == expected.dtype.newbyteorder("=")
    assert np.array_equal(given, expected)
    order = np.random.default_rng(3).permutation(ROWS)
    assert np.array_equal(rows.select(order).array().reshape(expected.shape), expected[order])
    rows.close()


DIRECT = [
    {}, {"chunks": (10, 6)}, {"chunks": (10, 6), "compression": "gzip"},
    {"chunks": (7, 6), "compression": "gzip", "shuffle": True}, {"chunks": (10, 6), "shuffle": True},
]  # fmt: skip
BY_THE_LIBRARY = [
    {"chunks": (10, 3)}, {"chunks": (10, 6), "compression": "lzf"}, {"chunks": (10, 6), "fletcher32": True},
    {"chunks": (10, 6), "compression": "gzip", "scaleoffset": 0, "dtype": "i4"},
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "u1", "f2"])
@pytest.mark.parametrize("layout", DIRECT, ids=str)
def test_chunks_of_hdf5_are_read_where_they_lie(tmp_path, rng, counted, layout, dtype):
    x = (rng.random((ROWS, 6)) * 100).astype(dtype)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, **layout)
    check(tmp_path / "x.h5", x)
    assert counted[True]


@pytest.mark.parametrize("layout", BY_THE_LIBRARY, ids=str)
def test_other_chunks_of_hdf5_are_read_by_the_library(tmp_path, rng, counted, layout):
    x = (rng.random((ROWS, 6)) * 100).astype(layout.get("dtype", "f4"))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, **layout)
    check(tmp_path / "x.h5", x)
    assert not counted[True]


def test_what_was_never_written_is_the_fill_value(tmp_path):
    expected = np.full((ROWS, 6), 7, "f4")
    expected[20:30] = 1
    with h5py.File(tmp_path / "x.h5", "w", userblock_size=512) as file:
        file.create_dataset("x", (ROWS, 6), "f4", chunks=(10, 6), fillvalue=7)[20:30] = 1
    check(tmp_path / "x.h5", expected)
    array = zarr.open_group(tmp_path / "x.zarr", mode="w").create_array(
        "x", shape=(ROWS, 6), chunks=(10, 6), dtype="f4", fill_value=7
    )
    array[20:30] = 1
    check(tmp_path / "x.zarr", expected)


@pytest.mark.parametrize("packed", [b"\0" * 40, b"", None])
def test_damaged_chunks_are_named(tmp_path, rng, packed):
    x = rng.random((ROWS, 6)).astype("f4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=x, chunks=(10, 6), compression="gzip")
        where = data.id.get_chunk_info(2)
    zarr.open_group(tmp_path / "x.zarr", mode="w").create_array("x", data=x, chunks=(10, 6))
    chunk = tmp_path / "x.zarr" / "x" / "c" / "2" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-9] if packed is None else packed)
    with (tmp_path / "x.h5").open("r+b") as file:
        file.seek(where.byte_offset)
        file.write(b"\xff" * where.size)
    for path in (tmp_path / "x.h5", tmp_path / "x.zarr"):
        rows = read(path, inputs="x").inputs
        assert np.array_equal(rows[:20], x[:20])
        with pytest.raises(HandsonError, match="rows 20 to 29"):
            rows[25]
        kept = read(path, inputs="x", skip_broken=True)
        assert np.array_equal(kept.inputs[:], np.delete(x, np.s_[20:30], 0))
        assert "left out 10 of 43 rows" in kept.notes[-1]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("kind", ["zstd", "blosc", None, "gzip"])
def test_chunks_of_zarr_are_unpacked_in_place(tmp_path, rng, counted, zarr_format, kind):
    import numcodecs

    old = {"zstd": numcodecs.Zstd(), "blosc": numcodecs.Blosc(), "gzip": numcodecs.GZip()}
    new = {"zstd": zarr.codecs.ZstdCodec(), "blosc": zarr.codecs.BloscCodec(), "gzip": zarr.codecs.GzipCodec()}
    x = (rng.random((ROWS, 3, 2)) * 100).astype(">i2" if zarr_format == 2 else "f4")
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=zarr_format)
    codec = (old if zarr_format == 2 else new).get(kind)
    array = group.create_array("x", shape=x.shape, chunks=(10, 3, 2), dtype=x.dtype, compressors=codec)
    array[:] = x
    check(tmp_path / "x.zarr", x)
    assert bool(counted[True]) == (kind != "gzip")


def test_arrays_of_zarr_in_other_pieces_are_the_librarys(tmp_path, rng, counted):
    x = rng.random((ROWS, 6)).astype("f4")
    for name, layout in {"a": {"chunks": (10, 3)}, "b": {"chunks": (5, 6), "shards": (10, 6)}}.items():
        zarr.open_group(tmp_path / name, mode="w").create_array("x", data=x, **layout)
        check(tmp_path / name, x)
    assert not counted[True]
