"""What all tests share."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("MPLBACKEND", "agg")

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# The same cases in every run: a change fails for what it changed. HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("fixed", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# The nets of the tests are so small that a second thread only waits.
torch.set_num_threads(1)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def keras():
    """Keras on torch: where the truth about names, arguments and numbers comes from."""
    return pytest.importorskip("keras")


@pytest.fixture(scope="session")
def shared():
    """Paths in the folder of shared material; a test that needs one is skipped where it is not there."""

    def path(*parts):
        found = SHARED.joinpath(*parts)
        if not found.exists():
            pytest.skip(f"needs {found.name} of the shared material")
        return found

    return path
