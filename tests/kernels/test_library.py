"""The library of kernels: which one is loaded, what is refused, and that nothing is written."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import handson
from handson import HandsonError
from handson.kernels import library
from handson.kernels.library import Int, Kernel, Record

FIT = """
import numpy as np, handson
from handson.kernels import library
net = handson.Sequential([handson.layers.Dense(1, input_shape=(3,))], seed=0)
net.compile("adam", "mse")
net.fit(np.ones((64, 3)), np.ones((64, 1)), batch_size=8, epochs=4, verbose=0, engine="dense")
print(library.variant())
"""


@pytest.fixture
def fresh():
    """What is known of the library is forgotten, before and afterwards."""
    found = library.digest, library.loaded, library.missing
    for each in found:
        each.cache_clear()
    yield
    for each in found:
        each.cache_clear()


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_an_installation_that_cannot_be_written_to_trains_and_nothing_is_written(tmp_path):
    shutil.copytree(
        Path(handson.__file__).parent, tmp_path / "handson", ignore=shutil.ignore_patterns("__pycache__", "faces")
    )
    before = files(tmp_path)
    bare = {"PYTHONPATH": str(tmp_path), "HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache", "PATH": ""}
    environment = os.environ | bare | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", FIT], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{library.variant()}\n"), done.stderr
    assert files(tmp_path) == before


def test_a_library_of_other_sources_is_missing(fresh, monkeypatch):
    monkeypatch.setattr(library, "digest", lambda: "another")
    assert "were built from other sources" in library.missing()
    assert "pip install --editable ." in library.missing()


def test_a_folder_without_libraries_is_missing(fresh, tmp_path, monkeypatch):
    monkeypatch.delenv(library.SETTING, raising=False)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert library.missing().startswith(f"there are no such kernels in {tmp_path}")
    assert (library.variant(), library.lanes()) == ("none", 4)


def test_a_file_that_is_no_library_is_missing(fresh, tmp_path, monkeypatch):
    for name in library.VARIANTS:
        (tmp_path / library.path_of(name).name).write_bytes(b"not a library")
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert "kernels-" in library.missing()


def test_the_variant_is_the_fastest_that_pytorch_would_use():
    fastest = {"AVX512": "v4", "AVX2": "v3"}.get(torch.backends.cpu.get_cpu_capability(), "plain")
    assert library.available() == list(library.VARIANTS)[list(library.VARIANTS).index(fastest) : -1]


def test_tables_are_read_without_torch():
    code = "import sys, handson.kernels.image_text, handson.data.reading.tables; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_a_setting_that_is_misspelt_is_an_error_with_the_nearest(fresh, monkeypatch):
    monkeypatch.setenv(library.SETTING, "plian")
    with pytest.raises(HandsonError, match=r"HANDSON_KERNELS='plian'. Did you mean 'plain'\? Known: v4, v3, plain, no"):
        library.missing()


@pytest.mark.skipif(library.missing() is not None, reason="needs kernels")
def test_a_record_of_another_size_than_in_c_is_refused():
    class Longer(Record):
        key: Int
        more: Int

    with pytest.raises(library.Missing, match=rf"shuffle: {ctypes.sizeof(Longer)} bytes in Python, \d+ in C"):
        Kernel("shuffle", Longer)(Longer(key=1, more=2))


def test_a_record_takes_only_its_own_fields():
    class Small(Record):
        key: Int

    with pytest.raises(TypeError, match="no fields \\['kye'\\]"):
        Small(kye=1)
    with pytest.raises(TypeError, match="cannot be called 'held'"):

        class Wrong(Record):
            held: Int
