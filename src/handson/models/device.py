"""Where nets compute."""

from __future__ import annotations

import torch


def default_device() -> torch.device:
    """The GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
