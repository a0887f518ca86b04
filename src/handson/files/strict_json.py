"""JSON that every reader takes and understands in one way: no NaN, no key twice, no nesting without end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from handson.core import regular
from handson.core.errors import HandsonError, shortened

if TYPE_CHECKING:
    from pydantic import BaseModel

# The history of a hundred thousand epochs is smaller.
MOST_BYTES = 1 << 26

Kind = TypeVar("Kind", bound="BaseModel")


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
    handson.core.errors.HandsonError: not valid JSON: the key 'a' is there twice
    """
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise HandsonError(f"not valid JSON: {reason}") from None


def read(path: Path, kind: type[Kind]) -> Kind:
    """The content of a JSON file.

    Parameters
    ----------
    path : Path
        The file.
    kind : class of pydantic
        What must be in it.

    Raises
    ------
    OSError
        When the file is not there, no plain file, or far too large.
    HandsonError
        When something else is in it; the message names the file and the place.
    """
    from pydantic import ValidationError  # a tenth of a second, which a training without files does not need

    try:
        value = loads(regular.read_bytes(path, MOST_BYTES))
        if not isinstance(value, dict):
            raise HandsonError(f"expected an object, got {type(value).__name__}")
        return kind(**value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise HandsonError(
            f"{path} is damaged: {shortened('.'.join(map(str, first['loc'])))}: {first['msg']}."
        ) from None
    except HandsonError as error:
        raise HandsonError(f"{path} is damaged: {shortened(error)}.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is there twice")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return value
