"""Keras's data sets, from its files in ~/.keras/datasets; if one is missing, the error says which file to put where.

Modules are imported when they are first used.
"""

from __future__ import annotations

from handson.core.lazy import lazy

_NAMES = (
    "boston_housing", "california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters",
)  # fmt: skip

__all__ = list(_NAMES)
__getattr__ = lazy(__name__, {name: f"handson.datasets.{name}" for name in _NAMES})


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
