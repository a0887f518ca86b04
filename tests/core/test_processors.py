"""How threads wait is settled before torch is loaded, and left alone where the user has settled it."""

import os
import subprocess
import sys

import pytest

from handson.core.processors import LOOKS

SHOW = "import handson, os, sys; print('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, LOOKS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_what_the_user_says_of_waiting_stays(given, expected):
    known = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", SHOW], env=known | given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", expected]
