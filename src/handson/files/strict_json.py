"""JSON that every reader takes: NaN, which JSON does not have, becomes null."""

from __future__ import annotations

import json
from typing import Any


def dumps(value: Any, indent: int | None = None) -> str:
    """A value as JSON text, NaN as null.

    Examples
    --------
    >>> dumps({"loss": [1.0, float("nan")]})
    '{"loss": [1.0, null]}'
    """
    return json.dumps(_without_nan(value), indent=indent, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return value
