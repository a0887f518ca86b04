"""Which layers are being built: `build` called by a user, or by the layer around, does all that belongs to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from handson.layers.calling import several_shapes

_builders: ContextVar[tuple[int, ...]] = ContextVar("handson_builders", default=())


@contextmanager
def building(layer: Any) -> Iterator[None]:
    """While this lasts, `layer.build` makes weights, and what else is built is a part of the layer."""
    token = _builders.set((*_builders.get(), id(layer)))
    try:
        yield
    finally:
        _builders.reset(token)


def is_building(layer: Any = None) -> bool:
    """Whether a layer is being built, by default any."""
    return bool(_builders.get()) if layer is None else id(layer) in _builders.get()


def guarded(build: Callable[..., Any]) -> Callable[..., Any]:
    """A method `build` that does as `ensure_built` does where it is called directly: once, from a key.

    Examples
    --------
    >>> from handson.layers import Dense
    >>> layer = Dense(2)
    >>> layer.build((None, 3)); layer.build((None, 3)); layer.count_params(), layer.built
    (8, True)
    """

    @functools.wraps(build)
    def called(self: Any, *shapes: Any, **named: Any) -> Any:
        if is_building(self):
            return build(self, *shapes, **named)
        given = inspect.signature(build).bind(self, *shapes, **named).arguments
        found = list(given.items())[1:]
        return self._build_alone(dict(found) if several_shapes(build) else found[0][1])

    return called
