"""Compiled functions are forgotten when any file that they may come from has changed."""

import os
import time

import pytest

from handson.kernels import forget_stale
from handson.kernels.sharing import digest


@pytest.fixture
def folder(tmp_path):
    """Two sources, and what was compiled from one of them between their last changes."""
    (tmp_path / "__pycache__").mkdir()
    now = time.time()
    for name, age in {"caller.py": 300, "called.py": 100, "__pycache__/caller.f-1.py311.nbi": 200,
                      "__pycache__/caller.f-1.py311.1.nbc": 200, "__pycache__/called.g-1.py311.nbi": 50,
                      "__pycache__/caller.cpython-311.pyc": 200}.items():  # fmt: skip
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - age, now - age))
    return tmp_path


def left(folder):
    return sorted(path.name for path in (folder / "__pycache__").iterdir())


def test_what_is_older_than_a_source_is_forgotten(folder):
    forget_stale(folder)
    assert left(folder) == ["called.g-1.py311.nbi", "caller.cpython-311.pyc"]


def test_a_clock_that_is_wrong_does_no_harm(folder):
    os.utime(folder / "called.py", (time.time() + 1000,) * 2)
    forget_stale(folder)
    assert len(left(folder)) == 4


def test_without_compiled_functions_there_is_nothing_to_do(folder):
    for path in (folder / "__pycache__").iterdir():
        path.unlink()
    forget_stale(folder)
    assert left(folder) == []


def test_kernels_on_threads_are_known_by_what_is_in_all_files(folder):
    """Also where they are kept elsewhere, and a file has the age that it had before."""
    before = digest(folder)
    (folder / "called.py").write_text("changed")
    digest.cache_clear()
    assert digest(folder) != before
