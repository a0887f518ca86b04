"""Keras's functions `serialize` and `deserialize`, made for each kind of noun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handson.core import registry


def serializers(kind: str, get: Callable[[Any], Any]) -> tuple[Callable[[Any], Any], Callable[..., Any]]:
    """Keras's `serialize` and `deserialize` of one kind of noun; `get` makes the object of a configuration.

    Examples
    --------
    >>> from handson import optimizers
    >>> optimizers.deserialize(optimizers.serialize(optimizers.SGD(0.5))).learning_rate
    0.5
    """

    def serialize(noun: Any) -> Any:
        """The registered name and the arguments of an object, as JSON; of a function, its name."""
        return registry.to_config(kind, noun)

    def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """The object for what `serialize` gave.

        Parameters
        ----------
        config : dict or str
            A configuration or a name.
        custom_objects : dict of str to class or function, optional
            Further names, for this call; ``@handson.register`` makes them known for good.
        """
        name = config.get("class") if isinstance(config, dict) else config
        own = (custom_objects or {}).get(name) if isinstance(name, str) else None
        if own is None:
            return get(config)
        arguments = config.get("config") or {} if isinstance(config, dict) else {}
        return get(own.from_config(arguments) if hasattr(own, "from_config") else own)

    return serialize, deserialize
