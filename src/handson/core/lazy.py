"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from handson.core.errors import nearest


def lazy(package: str, names: dict[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__``.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    names : dict of str to str
        For each public name its home: 'module:attribute', or 'module' for a module itself.

    Examples
    --------
    >>> lazy("handson", {"HandsonError": "handson.core.errors:HandsonError"})("HandsonError").__name__
    'HandsonError'
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"{package} has no {name!r}.{nearest(name, names)} It has {', '.join(sorted(names))}.")
        module, _, attribute = names[name].partition(":")
        value: Any = importlib.import_module(module)
        value = getattr(value, attribute) if attribute else value
        setattr(sys.modules[package], name, value)
        return value

    return get
