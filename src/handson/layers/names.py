"""The names of layers, and what a net calls them where it keeps them."""

from __future__ import annotations

import re
from typing import Any


def place_of(name: str) -> str:
    """What a part of this name is called in a net: PyTorch's paths have dots between names, and none in them.

    Examples
    --------
    >>> place_of("mobilenet_1.00_224"), place_of("output layer")
    ('mobilenet_1_00_224', 'output_layer')
    """
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def name_at(place: str, part: Any) -> str:
    """The name of a part at its place in a net: its own, if that differs only in what a place may not have."""
    own = getattr(part, "name", None)
    return own if isinstance(own, str) and place_of(own) == place else place
