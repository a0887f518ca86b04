"""What programs use besides nets: those of `handson.utils`, and settings of the process."""

from __future__ import annotations

import json
from typing import Any

from handson.keras.mirror import mirror

_CONFIG = ("disable_interactive_logging", "enable_interactive_logging", "is_interactive_logging_enabled")

mirror(
    __name__,
    "handson.utils",
    **{name: f"handson.keras.config:{name}" for name in _CONFIG},
    clear_session="handson.keras.variables:clear_session",
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

    def get(self, keyname: str, value: Any = None) -> Any:
        """The setting of a name, or another value if there is none."""
        return vars(self).get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Remove a setting and give its value."""
        return vars(self).pop(*args)

    def to_json(self) -> str:
        """The settings as JSON."""
        return json.dumps(vars(self))

    def as_dict(self) -> dict[str, Any]:
        """A dictionary of the settings."""
        return dict(vars(self))
