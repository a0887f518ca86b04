"""Tables that were made to break the reader, read by the plain and by the compiled way."""

import gzip
import os

import numpy as np
import pandas as pd
import pytest

PIXELS = " ".join(["7"] * 16)
GOOD = f"x,y,Image\n1,2,{PIXELS}\n"


@pytest.fixture(params=["plain", "compiled"])
def way(request):
    """The arguments that choose a way of reading."""
    return {"compiled": request.param == "compiled"}


TEXTS = {
    "nothing": b"",
    "blank lines": b"\n" * 10_000,
    "a header alone": b"x,y,Image\n",
    "zeros": bytes(10_000),
    "a zero among the pixels": GOOD.replace("7 7", "7\0 7", 1).encode(),
    "zeros after the rows": GOOD.encode() + bytes(1000),
    "UTF-16": GOOD.encode("utf-16"),
    "Latin-1": GOOD.replace("x", "\xe9").encode("latin-1"),
    "an unclosed quote": f'x,y,Image\n1,"2,{PIXELS}\n'.encode() * 500,
    "an unclosed quote in the pixels": f'x,y,Image\n1,2,"{PIXELS}\n'.encode() + b"1,2,3\n" * 500,
    "quotes alone": b'"' * 10_001,
    "one line": b"1" * 1_000_000,
    "a long number": f"x,y,Image\n1,2,{PIXELS}\n1,{'9' * 100_000},{PIXELS}\n".encode(),
    "a long pixel": f"x,y,Image\n1,2,{PIXELS}\n1,2,{'9' * 100_000}\n".encode(),
    "a huge pixel": f"x,y,Image\n1,2,{PIXELS} 1e400\n".encode(),
    "a pixel that is no number": f"x,y,Image\n1,2,{PIXELS} nan\n".encode(),
    "a pixel in hexadecimal": f"x,y,Image\n1,2,{PIXELS} 0x10\n".encode(),
    "a negative pixel": f"x,y,Image\n1,2,{PIXELS} -1 1 1 1 1 1 1 1 1\n".encode(),
    "digits of another script": f"x,y,Image\n1,2,{PIXELS} \u0663\n".encode(),
    "too few pixels": f"x,y,Image\n1,2,{PIXELS}\n1,2,7 7\n".encode(),
    "too many pixels": f"x,y,Image\n1,2,{PIXELS}\n1,2,{PIXELS} 7\n".encode(),
    "rows that go on": f"x,y,Image\n1,2,{PIXELS}\n1,2,{PIXELS},4,5,6\n".encode(),
    "rows that end": f"x,y,Image\n1,2,{PIXELS}\n1\n".encode(),
    "old newlines": GOOD.replace("\n", "\r").encode(),
    "only separators": b",,,,,\n" * 1000,
    "many columns": b",".join(b"%d" % number for number in range(5_000)) + b"\n" + b",".join([b"1"] * 5_000),
    "one name for many columns": b"x," * 1_000 + b"y\n" + b"1," * 1_000 + b"2\n",
    "a formula": b"x,y\n=cmd|' /C calc'!A0,1\n",
    "an address": b"x,y\nhttp://127.0.0.1:9/a,file:///etc/passwd\n",
    "control characters": b"x\x1b[31m,y\n1,\x07\n",
    "infinite": b"x,y\ninf,-inf\n1e400,nan\n",
    "no targets": b"x,y\n1,\n2,\n",
    "a byte order mark twice": b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD.encode(),
    "a name that is empty": b",\n1,2\n",
    "wide first row": b"y,Image\n1," + b"1 " * 500_000 + b"\n",
}


REFUSED = [
    "nothing", "blank lines", "a header alone", "zeros", "UTF-16", "Latin-1", "one line", "a huge pixel", "a formula",
    "a pixel that is no number", "a pixel in hexadecimal", "too few pixels", "too many pixels", "rows that end",
    "an address", "wide first row", "many columns", "one name for many columns",
]  # fmt: skip


def test_those_that_hold_no_data_are_refused(refused, tmp_path, way):
    paths = []
    for number, kind in enumerate(REFUSED):
        paths.append(tmp_path / f"bad-{number}.csv")
        paths[-1].write_bytes(TEXTS[kind])
    refused("table", paths, targets="y", **way)


def test_hostile_tables_are_read_or_refused_and_the_same_both_ways(survived, tmp_path):
    paths = []
    for kind, text in TEXTS.items():
        paths.append(tmp_path / f"{kind}.csv")
        paths[-1].write_bytes(text)
    plain, compiled = (survived("table", paths, compiled=way, targets="y") for way in (False, True))
    assert [outcome.value for outcome in plain] == [outcome.value for outcome in compiled]
    for path, outcome in zip([*paths, *paths], plain + compiled, strict=True):
        assert not outcome.error or path.name in outcome.message, outcome


def test_a_line_of_two_gigabytes_is_refused_without_reading_it(refused, tmp_path, way):
    with (tmp_path / "bad.csv").open("wb") as file:
        file.write(b"x,y\n1,")
        file.truncate(2 << 30)
    refused("table", tmp_path / "bad.csv", targets="y", **way)


@pytest.mark.parametrize("name", ["bad.csv.gz", "bad.gz"])
def test_a_packed_bomb_is_refused(refused, tmp_path, name):
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
        file.write(b"x,y\n")
        for _ in range(16):
            file.write(b"1,2\n" * (4 << 20))
    refused("table", tmp_path / name, targets="y")


@pytest.mark.parametrize("name", ["bad.csv.zip", "bad.csv.bz2", "bad.csv.xz", "bad.parquet"])
def test_other_formats_under_the_name_of_a_table_are_refused(refused, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04\x95" + b"cos\nsystem\n(S'touch canary'\ntR." * 5)
    refused("table", tmp_path / name, targets="y")


def test_an_archive_of_several_tables_is_refused(refused, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../a.csv", "x,y\n1,2\n")
        archive.writestr("b.csv", "x,y\n1,2\n")
    refused("table", tmp_path / "bad.zip", targets="y")


# 20: Parquet


def parquet(place, columns, **settings):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), place, **settings)


def a_pickled_type(place):
    import pyarrow as pa

    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": b"cos\nsystem\n(S'x'\ntR.",
    }
    field = pa.field("x", pa.int64(), metadata=metadata)
    parquet_schema = pa.schema([field, pa.field("y", pa.int64())])
    import pyarrow.parquet as pq

    pq.write_table(pa.table([[1], [2]], schema=parquet_schema), place)


def deep_lists(place):
    import pyarrow as pa

    kind, value = pa.int64(), 1
    for _ in range(100):
        kind, value = pa.list_(kind), [value]
    parquet(place, {"x": pa.array([value], kind), "y": [1]})


def a_packed_column(place):
    parquet(place, {"x": np.zeros(60 << 20, np.int8), "y": np.zeros(60 << 20, np.int8)}, compression="zstd")


def many_columns(place):
    parquet(place, {"y": [1]} | {f"a{number}": [1] for number in range(2_000)})


def bytes_in_a_column(place):
    parquet(place, {"x": [b"\xff" * 10], "y": [1]})


@pytest.mark.parametrize("make", [a_pickled_type, deep_lists, a_packed_column, many_columns, bytes_in_a_column])
def test_hostile_parquet_files_are_read_or_refused(survived, tmp_path, make):
    make(tmp_path / "bad.parquet")
    survived("table", tmp_path / "bad.parquet", targets="y")


def test_parquet_files_with_changed_bytes_are_read_or_refused(survived, tmp_path, rng):
    pd.DataFrame({"x": [1.0, 2.0], "y": [3, 4]}).to_parquet(tmp_path / "good.parquet")
    content, paths = (tmp_path / "good.parquet").read_bytes(), []
    for number in range(150):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(256)
        paths.append(tmp_path / f"bad-{number}.parquet")
        paths[-1].write_bytes(changed)
    survived("table", paths, targets="y")


# Other things than files


@pytest.mark.parametrize("name", ["bad.csv", "bad.parquet", "bad.npy", "bad.npz", "bad.fits"])
def test_pipes_and_devices_are_not_opened(refused, tmp_path, name):
    os.mkfifo(tmp_path / name)
    refused("array", tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    refused("array", tmp_path / name)


@pytest.mark.parametrize("name", ["bad.fits.fz", "bad.pkl", "bad.pt", "bad.mat", "bad.xlsx", "bad.json"])
def test_formats_that_are_not_read_are_refused_with_those_that_are(refused, tmp_path, name):
    (tmp_path / name).write_bytes(b"SIMPLE  =                    T")
    assert ".parquet" in refused("array", tmp_path / name)
