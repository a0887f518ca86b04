"""HDF5 files that were made to break the reader: it runs in a process of its own, and that is all they can touch."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from handson.files import keras_hdf5

from .files import trained

VARS = "layers/dense/vars"


@pytest.fixture
def weight_file(tmp_path):
    """A good file of weights; gives its path."""
    trained().save_weights(tmp_path / "bad.h5")
    return tmp_path / "bad.h5"


def replaced(file, name=f"{VARS}/0"):
    """The group of an entry that is removed."""
    del file[name]
    return file[name.rpartition("/")[0]]


def an_array_of_nothing(file):
    replaced(file).create_dataset("0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024), fillvalue=1)


def a_huge_array(file):
    replaced(file).create_dataset("0", (1 << 40,), "f4")


def a_packed_bomb(file):
    replaced(file).create_dataset("0", (64 << 20,), "u1", data=np.zeros(64 << 20, "u1"), compression="gzip")


def words(file):
    replaced(file).create_dataset("0", data=["a" * 1000] * 100, dtype=h5py.string_dtype())


def references(file):
    group = replaced(file)
    group.create_dataset("0", data=np.array([group.ref] * 3, h5py.ref_dtype), dtype=h5py.ref_dtype)


def records(file):
    replaced(file).create_dataset("0", data=np.zeros(3, [("a", "f4"), ("b", "S9")]))


def complex_numbers(file):
    replaced(file).create_dataset("0", data=np.zeros((2, 3), "c8"))


def long_lists(file):
    replaced(file).create_dataset("0", (3,), h5py.vlen_dtype(np.float32))


def one_number(file):
    replaced(file).create_dataset("0", data=1.0)


def emptiness(file):
    replaced(file).create_dataset("0", data=h5py.Empty("f4"))


def a_link_to_a_file(file):
    replaced(file)["0"] = h5py.ExternalLink("/etc/passwd", "/")


def a_link_to_nothing(file):
    replaced(file)["0"] = h5py.SoftLink("/nowhere")


def a_circle(file):
    file["layers/dense/again"] = file["layers"]


def a_group_in_place_of_an_array(file):
    replaced(file).create_group("0")


def many_groups(file):
    for number in range(10_000):
        file["layers"][f"a{number}"] = h5py.SoftLink("/layers")


def many_arrays(file):
    group, array = file[VARS], file[VARS]["0"]
    for number in range(10_000):
        group[f"{number + 10}"] = array


def a_fan_of_links(file):
    """Seven groups, and ten million ways through them."""
    groups = [file.create_group(f"groups/{number}") for number in range(7)]
    for above, below in zip([file["layers"], *groups], groups, strict=False):
        for number in range(10):
            above[f"a{number}"] = below


def deep_groups(file):
    file.create_group("layers" + "/a" * 500)


def a_name_of_another_kind(file):
    file[VARS].attrs["name"] = np.zeros((3, 3))


def a_long_name(file):
    file[VARS].attrs["name"] = "x" * 60_000


KINDS = [
    an_array_of_nothing, a_huge_array, a_packed_bomb, words, references, records, complex_numbers, long_lists,
    one_number, emptiness, a_link_to_a_file, a_link_to_nothing, a_circle, a_group_in_place_of_an_array, many_groups,
    many_arrays, a_fan_of_links, deep_groups,
]  # fmt: skip


@pytest.mark.parametrize("change", KINDS)
def test_hostile_files_are_refused(refused, weight_file, change):
    with h5py.File(weight_file, "r+") as file:
        change(file)
    refused("weights", weight_file, may_start=True)


@pytest.mark.parametrize("change", [a_name_of_another_kind, a_long_name])
def test_hostile_names_are_only_names(survived, weight_file, change):
    with h5py.File(weight_file, "r+") as file:
        change(file)
    survived("weights", weight_file, may_start=True)
    survived("weights", weight_file, may_start=True, by_name=True)


def test_a_filter_that_is_not_there_is_looked_for_nowhere(refused, weight_file):
    """The number of a filter in the file stands for one that is a library on the disk."""
    with h5py.File(weight_file, "r+") as file:
        replaced(file).create_dataset("0", data=np.zeros((2, 3), "f4"), chunks=(2, 3), compression="lzf")
    content = weight_file.read_bytes()
    assert content.count(b"lzf\0") == 1
    place = content.index(b"lzf\0")
    found = content.rindex((32000).to_bytes(2, "little"), 0, place)
    weight_file.write_bytes(content[:found] + (32015).to_bytes(2, "little") + content[found + 2 :])
    refused("weights", weight_file, may_start=True)


def test_a_file_that_holds_the_library_for_ever_is_refused(refused, weight_file):
    """The free space in a heap is less than what is left of it; HDF5 then looks for the next object without an end."""
    content = bytearray(weight_file.read_bytes())
    place = content.index(b"GCOL") + 16
    while int.from_bytes(content[place : place + 2], "little"):
        place += 16 + -(-int.from_bytes(content[place + 8 : place + 16], "little") // 8) * 8
    content[place + 8 : place + 16] = (32).to_bytes(8, "little")
    weight_file.write_bytes(content)
    assert "takes more time than" in refused("weights", weight_file, may_start=True)


# 32: the process that reads

READER = Path(keras_hdf5.__file__).with_name("hdf5_reader.py")
ESCAPES = {
    "open": "open('/etc/passwd')",
    "write": "open('canary', 'w').write('x')",
    "network": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "process": "import subprocess; subprocess.run(['true'])",
    "memory": "bytearray(2 << 30)",
}


@pytest.mark.parametrize("kind", ESCAPES)
def test_the_process_that_reads_cannot_do_anything_else(tmp_path, kind):
    """Should the reader of HDF5 be broken: after `_confine`, opening, connecting, forking and allocating fail."""
    code = f"import runpy; runpy.run_path({str(READER)!r})['_confine'](1000)\ntry:\n {ESCAPES[kind]}\n"
    code += "except (OSError, MemoryError):\n import os; os._exit(3)\n"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "damaged"),
        ("import time; time.sleep(60)", "took more than"),
        ("print('x' * 100)", "damaged"),
        ("", "damaged"),
        ("import sys; sys.stdout.write('\\0' * 8 + '{}')", "damaged"),
        ("import sys; sys.stdout.write('\\x02' + '\\0' * 7 + '{}')", "damaged"),
        ("import sys; sys.stderr.write(': no'); sys.exit(3)", "no"),
        ("import sys; sys.exit(1)", "damaged"),
    ],
)
def test_whatever_becomes_of_that_process_is_an_error_that_names_the_file(
    monkeypatch, tmp_path, weight_file, code, reason
):
    from handson.core.errors import HandsonError

    (tmp_path / "reader.py").write_text(code)
    monkeypatch.setattr(keras_hdf5, "READER", tmp_path / "reader.py")
    if "sleep" in code:  # the others may take their time to start
        monkeypatch.setattr(keras_hdf5, "SECONDS", 0.5)
    with pytest.raises(HandsonError, match=reason) as error:
        keras_hdf5.read(weight_file)
    assert str(weight_file) in str(error.value)
