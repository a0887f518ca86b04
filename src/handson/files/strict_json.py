"""JSON that every reader takes and understands in one way: no NaN, no key twice, no nesting without end."""

from __future__ import annotations

import json
from typing import Any

from handson.errors import HandsonError


def dumps(value: Any, indent: int | None = None) -> str:
    """A value as JSON text; NaN, which JSON does not have, becomes null.

    Examples
    --------
    >>> dumps({"loss": [1.0, float("nan")]})
    '{"loss": [1.0, null]}'
    """
    return json.dumps(_without_nan(value), indent=indent, allow_nan=False)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    HandsonError
        When it is no JSON, has a key twice in one object, or is nested too deeply.

    Examples
    --------
    >>> loads('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    handson.errors.HandsonError: not valid JSON: the key 'a' is there twice
    """
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise HandsonError(f"not valid JSON: {reason}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is there twice")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return value
