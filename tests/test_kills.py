"""A training that is killed again and again ends like one that nobody disturbed, byte for byte."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "kill_training.py"
JOBS, KILLS = 5, 25


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the benchmark forks")
def test_a_training_that_is_killed_again_and_again_ends_like_an_undisturbed_one():
    command = [sys.executable, str(BENCHMARK), "--kills", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [tuple(map(int, numbers)) for numbers in re.findall(r"(\d+) kills, (\d+) of them left", done.stdout)]
    assert len(found) == done.stdout.count("byte for byte") == JOBS
    assert all(kills >= KILLS // JOBS for kills, _ in found)
    assert sum(torn for _, torn in found) > 0, "some kills fall into the writing of a checkpoint"
