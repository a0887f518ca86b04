"""The seeds of everything that draws random numbers."""

from __future__ import annotations

import random

import numpy as np
import torch

from handson.randomness.keys import set_random_seed as _set_own


def set_random_seed(seed: int) -> None:
    """Fix the seed of nets made afterwards, and those of Python, NumPy and PyTorch, from which programs make data.

    Examples
    --------
    >>> set_random_seed(3)
    >>> first = np.random.rand(); set_random_seed(3); np.random.rand() == first  # noqa: NPY002
    True
    """
    _set_own(seed)
    random.seed(seed)
    np.random.seed(int(seed) % 2**32)  # noqa: NPY002
    torch.manual_seed(int(seed) % 2**63)
