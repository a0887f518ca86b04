"""What programs use besides nets: those of `handson.utils`, names of one's own, and small helpers."""

from __future__ import annotations

from typing import Any

from handson.core.errors import HandsonError
from handson.graph import Symbol
from handson.keras.mirror import mirror

_CONFIG = ("disable_interactive_logging", "enable_interactive_logging", "is_interactive_logging_enabled")

mirror(
    __name__,
    "handson.utils",
    **{name: f"handson.keras.config:{name}" for name in _CONFIG},
    clear_session="handson.keras.variables:clear_session",
    set_random_seed="handson.randomness:set_random_seed",
    standardize_dtype="handson.graph.conversion:type_name",
)


class Config:
    """Settings as attributes and by name.

    Examples
    --------
    >>> config = Config(rate=0.1)
    >>> config.layers = 2
    >>> config.as_dict(), config["rate"]
    ({'rate': 0.1, 'layers': 2}, 0.1)
    """

    def __init__(self, **kwargs: Any) -> None:
        vars(self).update(kwargs)

    def __getitem__(self, name: str) -> Any:
        return vars(self)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        vars(self)[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)[name] = value

    def __contains__(self, name: str) -> bool:
        return name in vars(self)

    def __len__(self) -> int:
        return len(vars(self))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take over settings, as a dictionary does."""
        vars(self).update(*args, **kwargs)

    def keys(self) -> Any:
        """The names."""
        return vars(self).keys()

    def values(self) -> Any:
        """The values."""
        return vars(self).values()

    def items(self) -> Any:
        """Names and values."""
        return vars(self).items()

    def as_dict(self) -> dict[str, Any]:
        """A dictionary of the settings."""
        return dict(vars(self))


def is_keras_tensor(x: Any) -> bool:
    """Whether something is a symbol: what a layer gives for an `Input`."""
    return isinstance(x, Symbol)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Inputs, targets and weights as one tuple, without what is None at its end.

    Examples
    --------
    >>> pack_x_y_sample_weight(1), pack_x_y_sample_weight(1, 2), pack_x_y_sample_weight([1])
    (1, (1, 2), ([1],))
    """
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a tuple of one to three of them, None for those that it has not.

    Examples
    --------
    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    parts = tuple(data) if isinstance(data, (list, tuple)) else (data,)
    if not 1 <= len(parts) <= 3:
        raise HandsonError(f"data are (x,), (x, y) or (x, y, sample_weight); got {len(parts)} parts.")
    x, y, weight = (*parts, None, None)[:3]
    return x, y, weight
