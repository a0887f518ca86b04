"""The tests of this folder on the variants that this machine can run and does not choose."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handson.kernels import library

HERE = Path(__file__).parent
OTHERS = [each for each in library.available() if each not in ("none", library.variant())]


@pytest.mark.skipif(library.SETTING in os.environ, reason="one variant was asked for")
@pytest.mark.parametrize("variant", OTHERS)
def test_it_does_what_the_others_do(variant):
    left_out = [f"--ignore={HERE / name}.py" for name in ("test_variants", "test_sanitizers")]
    words = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *left_out, HERE]
    environment = {**os.environ, library.SETTING: variant}
    done = subprocess.run(words, env=environment, cwd=HERE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
