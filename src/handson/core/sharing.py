"""Layers and nets that stand in several places of a description, as a net that is a part of two others.

The first place describes it; where it comes again there is a number only, which the first place then names too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from handson.core.errors import HandsonError, shortened

MARK = "shared"
KINDS = ("layer", "model")
T = TypeVar("T")
# What was described, by its identity; it is held, so that nothing else takes its place in memory.
_described: ContextVar[dict[int, tuple[Any, dict[str, Any]]] | None] = ContextVar("described", default=None)
# What was built, by its number.
_built: ContextVar[dict[int, Any] | None] = ContextVar("built", default=None)


class Again(dict[str, Any]):
    """Stands where something comes again, until it is known whether its first description stays."""

    def __init__(self, first: dict[str, Any]) -> None:
        super().__init__()
        self.first = first


def described_whole(describe: Callable[..., T]) -> Callable[..., T]:
    """A method whose outermost call describes one whole, whose parts may be shared.

    Examples
    --------
    >>> from handson.core import registry
    >>> from handson.layers import Dense
    >>> layer = Dense(2)
    >>> both = described_whole(lambda: [registry.to_config("layer", layer) for _ in range(2)])()
    >>> both[0]["shared"], both[1]
    (0, {'shared': 0})
    >>> with built_whole():
    ...     first, second = [registry.from_config("layer", each) for each in both]
    >>> first is second
    True
    """

    @functools.wraps(describe)
    def method(*args: Any, **kwargs: Any) -> T:
        if _described.get() is not None:
            return describe(*args, **kwargs)
        token = _described.set({})
        try:
            return _numbered(describe(*args, **kwargs))
        finally:
            _described.reset(token)

    return method


@contextmanager
def built_whole() -> Iterator[None]:
    """What is built inside of the outermost of these blocks is one whole."""
    if _built.get() is not None:
        yield
        return
    token = _built.set({})
    try:
        yield
    finally:
        _built.reset(token)


def described(target: Any, describe: Callable[[], Any]) -> Any:
    """What a function says of a layer or net; a stand-in, where it was described before in the same whole."""
    known = _described.get()
    if known is None:
        return describe()
    if id(target) in known:
        return Again(known[id(target)][1])
    found = describe()
    if isinstance(found, dict):
        known[id(target)] = target, found
    return found


def _numbered(whole: Any) -> Any:
    """A description with numbers for what comes again.

    A description may have been thrown away, by a `get_config` that says better what its super class has said: then the
    first stand-in becomes it.
    """
    there: dict[int, dict[str, Any]] = {}
    numbers = itertools.count()

    def placed(part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [placed(each) for each in part]
        if not isinstance(part, dict):
            return part
        if isinstance(part, Again):
            first = there.get(id(part.first))
            if first is not None:
                return {MARK: first[MARK] if MARK in first else first.setdefault(MARK, next(numbers))}
            part = part.first
        found = there[id(part)] = {}
        found.update((key, placed(value)) for key, value in part.items())
        return found

    return placed(whole)


def built(config: dict[str, Any], build: Callable[[dict[str, Any]], Any]) -> Any:
    """What a function builds from a description that has a number; what was built before, from a number alone."""
    known, number = _built.get(), config[MARK]
    known = {} if known is None else known
    rest = {key: value for key, value in config.items() if key != MARK}
    if not rest:
        if number not in known:
            raise HandsonError(f"nothing before has the number {shortened(number, 40)} in this description.")
        return known[number]
    if number in known:
        raise HandsonError(f"two parts of a description have the number {shortened(number, 40)}.")
    known[number] = build(rest)
    return known[number]


def is_shared(config: Any) -> bool:
    """Whether a description has a number, or is one."""
    return isinstance(config, dict) and type(config.get(MARK)) is int
