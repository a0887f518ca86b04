"""Kernels under the sanitizers of addresses and of undefined behaviour, with random sizes, on every variant."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handson.kernels import library

FLAGS = ["-std=gnu11", "-O0", "-g", "-shared", "-fPIC", "-Wno-psabi", "-ffp-contract=fast"]
CHECKS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
MACHINE = {"v4": ["-march=x86-64-v4"], "v3": ["-march=x86-64-v3"]}
DRIVER = Path(__file__).parent.parent / "helpers" / "sanitized.py"


def runtime():
    """The library that has to be there first, or None without GCC and its sanitizers."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or shutil.which("gcc") is None:
        return None
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    return found.strip() if Path(found.strip()).is_absolute() else None


def build(folder, variant, sources):
    """The library of a variant with sanitizers."""
    text = f'-DSOURCES="{library.digest()}"'
    words = ["gcc", *FLAGS, *CHECKS, *MACHINE.get(variant, []), text, *map(str, sources), "-lm"]
    shutil.copy(library.path_of("plain"), folder)  # it is asked what the processor can do
    subprocess.run([*words, "-o", str(folder / library.path_of(variant).name)], check=True)


def run(folder, variant, rounds, seed):
    more = {"HANDSON_KERNELS": variant, "LD_PRELOAD": runtime(), "ASAN_OPTIONS": "detect_leaks=0"}
    more["PYTHONPATH"] = os.pathsep.join(sys.path)
    words = [sys.executable, str(DRIVER), str(folder), str(rounds), str(seed)]
    return subprocess.run(words, env={**os.environ, **more}, capture_output=True, text=True)


@pytest.mark.skipif(runtime() is None, reason="needs Linux, x86-64, and GCC with its sanitizers")
@pytest.mark.parametrize("variant", library.available())
def test_nothing_is_read_or_written_beside_what_is_there(tmp_path, variant):
    build(tmp_path, variant, sorted(library.SOURCES.glob("*.c")))
    done = run(tmp_path, variant, 10, 5)
    assert done.returncode == 0, done.stderr[-4000:]
    assert str(tmp_path) in done.stdout
