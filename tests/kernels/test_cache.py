"""A cache of compiled functions is optional: an installation and a home that cannot be written to stop nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import handson
from handson import kernels


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A folder of sources and a home that nothing can be written to, root included; numba's setting as it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is put back
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    (tmp_path / "__pycache__").touch()
    return tmp_path


def test_without_a_place_for_a_cache_there_is_one_that_goes_with_the_process(nowhere, monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    kernels.need_cache(nowhere)
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_dir()
    assert os.environ["NUMBA_CACHE_DIR"] == numba.config.CACHE_DIR
    assert Path(numba.config.CACHE_DIR).stat().st_mode & 0o077 == 0  # numba's caches are pickles


@pytest.mark.parametrize("place", ["beside the sources", "in the home", "where the user says"])
def test_where_there_is_one_nothing_is_changed(nowhere, tmp_path, monkeypatch, place):
    if place == "beside the sources":
        (nowhere / "__pycache__").unlink()
    elif place == "in the home":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    else:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    before = os.environ.get("NUMBA_CACHE_DIR")
    kernels.need_cache(nowhere)
    assert os.environ.get("NUMBA_CACHE_DIR") == before


def test_kernels_compile_in_an_installation_that_cannot_be_written_to(nowhere):
    shutil.copytree(Path(handson.__file__).parent, nowhere / "handson", ignore=lambda *_: ["__pycache__", "faces"])
    (nowhere / "handson" / "kernels" / "__pycache__").touch()
    code = "from handson.kernels.shuffle import permutation; print(sorted(permutation(1, 5).tolist()))"
    environment = os.environ | {"PYTHONPATH": str(nowhere), "HOME": "/dev/null", "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "[0, 1, 2, 3, 4]\n"), found.stderr
