"""Layers and nets that stand in several places of a description, as a net that is a part of two others.

The first place describes it; where it comes again there is a number only, which the first place then names too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from handson.core.errors import HandsonError, shortened

MARK = "shared"
KINDS = ("layer", "model")
# What was described, by its identity; it is held, so that nothing else takes its place in memory.
_described: ContextVar[dict[int, tuple[Any, dict[str, Any]]] | None] = ContextVar("described", default=None)
# What was built, by its number.
_built: ContextVar[dict[int, Any] | None] = ContextVar("built", default=None)


@contextmanager
def one_whole() -> Iterator[None]:
    """What is described and built inside of the outermost of these blocks is one whole, whose parts may be shared.

    Examples
    --------
    >>> from handson.core import registry
    >>> from handson.layers import Dense
    >>> layer = Dense(2)
    >>> with one_whole():
    ...     described = [registry.to_config("layer", layer) for _ in range(2)]
    >>> described[0]["shared"], described[1]
    (0, {'shared': 0})
    >>> with one_whole():
    ...     first, second = [registry.from_config("layer", each) for each in described]
    >>> first is second
    True
    """
    if _described.get() is not None:
        yield
        return
    tokens = _described.set({}), _built.set({})
    try:
        yield
    finally:
        _described.reset(tokens[0])
        _built.reset(tokens[1])


def described(target: Any, describe: Callable[[], Any]) -> Any:
    """What a function says of a layer or net; the number alone, where it was described before in the same whole."""
    known = _described.get()
    if known is None:
        return describe()
    if id(target) in known:
        first = known[id(target)][1]
        return {MARK: first.setdefault(MARK, sum(MARK in each for _, each in known.values()))}
    found = describe()
    if isinstance(found, dict):
        known[id(target)] = target, found
    return found


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
