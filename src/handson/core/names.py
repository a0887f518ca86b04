"""Names that are made from others."""

from __future__ import annotations

import re
from collections.abc import Container


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it in layer names and strings.

    Examples
    --------
    >>> [snake_case(name) for name in ("Conv2D", "MaxPooling2D", "LSTM", "GlobalAveragePooling2D")]
    ['conv2d', 'max_pooling2d', 'lstm', 'global_average_pooling2d']
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def free_name(stem: str, taken: Container[str]) -> str:
    """The first free of `stem`, `stem_1`, `stem_2`, ...

    Examples
    --------
    >>> free_name("dense", {"dense", "dense_1"})
    'dense_2'
    """
    if stem not in taken:
        return stem
    number = 1
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"
